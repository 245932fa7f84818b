// Package reference writes the reference of a command line in Markdown, from
// the commands themselves.
package reference

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Markdown returns the reference of root and of every command under it that is
// not hidden. intro stands under the title.
func Markdown(root *cobra.Command, intro string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# %s\n\n%s\n\n", root.Name(), intro)
	prose(&b, root.Long)
	b.WriteString("| command | |\n|---|---|\n")
	for _, c := range shown(root) {
		fmt.Fprintf(&b, "| [`%s`](#%s) | %s |\n", title(c), anchor(title(c)), cell(c.Short))
	}
	b.WriteString("\n")
	for _, c := range shown(root) {
		section(&b, c)
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), '\n')
}

func shown(cmd *cobra.Command) []*cobra.Command {
	var out []*cobra.Command
	for _, c := range cmd.Commands() {
		if !c.Hidden && c.Name() != "help" && (c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand()) {
			out = append(out, c)
		}
	}
	return out
}

// title is a command's heading; a help topic is no command of its own.
func title(c *cobra.Command) string {
	if c.IsAdditionalHelpTopicCommand() {
		return c.Root().Name() + " help " + c.Name()
	}
	return c.CommandPath()
}

// anchor is what GitHub makes of a heading.
func anchor(heading string) string { return strings.ReplaceAll(strings.ToLower(heading), " ", "-") }

func section(b *bytes.Buffer, c *cobra.Command) {
	fmt.Fprintf(b, "## %s\n\n", title(c))
	if c.Runnable() {
		fmt.Fprintf(b, "```\n%s\n```\n\n", c.UseLine())
	}
	prose(b, cmp.Or(c.Long, c.Short))
	if subs := shown(c); len(subs) > 0 {
		b.WriteString("| command | |\n|---|---|\n")
		for _, s := range subs {
			fmt.Fprintf(b, "| `%s` | %s |\n", s.CommandPath(), cell(s.Short))
		}
		b.WriteString("\n")
	}
	if c.Example != "" {
		fmt.Fprintf(b, "```sh\n%s\n```\n\n", unindent(c.Example))
	}
	flags(b, c)
}

// prose writes help text: paragraphs, and indented lines as they stand.
func prose(b *bytes.Buffer, text string) {
	fenced := false
	fence := func(on bool) {
		if on != fenced {
			b.WriteString("```\n")
			fenced = on
		}
	}
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i, line := range lines {
		// A blank line inside an indented piece belongs to it.
		if line == "" && fenced && i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  ") {
			b.WriteString("\n")
			continue
		}
		indented := strings.HasPrefix(line, "  ")
		fence(indented)
		if indented {
			b.WriteString(strings.TrimPrefix(line, "  ") + "\n")
			continue
		}
		line = strings.NewReplacer("<", `\<`, "*", `\*`).Replace(line)
		// Exit codes are lines of their own.
		if strings.HasPrefix(line, "1: ") || strings.HasPrefix(line, "2: ") {
			b.Truncate(b.Len() - 1)
			b.WriteString("\\\n")
		}
		b.WriteString(line + "\n")
	}
	fence(false)
	b.WriteString("\n")
}

func unindent(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		out = append(out, strings.TrimPrefix(strings.TrimRight(line, "\n"), "  "))
	}
	return strings.Join(out, "\n")
}

// flags writes a table of a command's own flags.
func flags(b *bytes.Buffer, c *cobra.Command) {
	if !c.HasAvailableLocalFlags() {
		return
	}
	var rows strings.Builder
	c.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		kind, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		if kind != "" {
			name += " " + kind
		}
		if d := f.DefValue; d != "" && d != "false" && d != "0" && d != "[]" && d != "0s" {
			usage += " (default `" + strings.Trim(d, "[]") + "`)"
		}
		fmt.Fprintf(&rows, "| `%s` | %s |\n", name, cell(usage))
	})
	if rows.Len() > 0 {
		fmt.Fprintf(b, "| flag | |\n|---|---|\n%s\n", rows.String())
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }
