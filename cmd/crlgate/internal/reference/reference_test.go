package reference

import (
	"testing"

	"github.com/spf13/cobra"
)

func TestMarkdown(t *testing.T) {
	root := &cobra.Command{Use: "tool", Long: "Does <things>.", Run: func(*cobra.Command, []string) {}}
	sub := &cobra.Command{
		Use: "sub FILE", Short: "One | two", Long: "Says:\n\n  a   b\n\n  c\n\nExit code 0: yes.\n1: no.", Example: "  tool sub a\n  tool sub b",
		Run: func(*cobra.Command, []string) {},
	}
	sub.Flags().StringP("output", "o", "", "`FILE` to write")
	sub.Flags().Int("many", 3, "how many")
	sub.Flags().Bool("quiet", false, "say nothing")
	hidden := &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}}
	topic := &cobra.Command{Use: "words", Short: "About words", Long: "Words."}
	root.AddCommand(sub, hidden, topic)
	want := "# tool\n\nIntro.\n\nDoes \\<things>.\n\n" +
		"| command | |\n|---|---|\n| [`tool sub`](#tool-sub) | One \\| two |\n| [`tool help words`](#tool-help-words) | About words |\n\n" +
		"## tool sub\n\n```\ntool sub FILE [flags]\n```\n\nSays:\n\n```\na   b\n\nc\n```\n\nExit code 0: yes.\\\n1: no.\n\n" +
		"```sh\ntool sub a\ntool sub b\n```\n\n" +
		"| flag | |\n|---|---|\n| `--many int` | how many (default `3`) |\n| `-o, --output FILE` | FILE to write |\n| `--quiet` | say nothing |\n\n" +
		"## tool help words\n\nWords.\n"
	if got := string(Markdown(root, "Intro.")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
