package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// snippets are the Go programs in a Markdown page that use the construct.
func snippets(t *testing.T, page string) []string {
	t.Helper()
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, found := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(b), -1) {
		if strings.Contains(found[1], "gate.New(") {
			out = append(out, found[1])
		}
	}
	return out
}

// TestFromAnotherModule makes a module outside this repository of the program in docs/deploy.md, as a user would,
// and has it write a template.
func TestFromAnotherModule(t *testing.T) {
	programs := snippets(t, "../docs/deploy.md")
	if len(programs) != 1 {
		t.Fatalf("docs/deploy.md has %d programs that use the construct, want 1", len(programs))
	}
	dir := t.TempDir()
	write := func(name, content string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("main.go", programs[0], 0o644)
	write("go.mod", otherModule(t), 0o644)
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	write("go.sum", string(sums), 0o644)
	for _, function := range []string{"preprocessor", "authorizer", "truststore", "fetcher"} {
		write("build/lambda/arm64/"+function+"/bootstrap", "binary", 0o755)
	}
	run := exec.Command("go", "run", "-mod=mod", ".")
	run.Dir = dir
	// No proxy: this module is in no registry, and everything else is here already.
	run.Env = append(os.Environ(), "GOPROXY=off", "GOWORK=off", "CDK_OUTDIR="+filepath.Join(dir, "cdk.out"))
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("running it: %v\n%s", err, out)
	}
	template, err := os.ReadFile(filepath.Join(dir, "cdk.out", "Orders.template.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"AWS::ApiGateway::Authorizer"`, `"AuthorizerResultTtlInSeconds": 0`, `"acm-pca.amazonaws.com"`} {
		if !strings.Contains(string(template), want) {
			t.Errorf("no %s in its template", want)
		}
	}
}

// otherModule is the go.mod of a module that requires this one, from this folder, and what it requires.
func otherModule(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(b), "module github.com/crlgate/crlgate\n")
	if !found {
		t.Fatal("go.mod does not begin with the module's path")
	}
	return "module example.com/orders\n" + rest +
		"\nrequire github.com/crlgate/crlgate v0.0.0\n\nreplace github.com/crlgate/crlgate => " + root + "\n"
}

// TestReadmeShowsWhatIsCompiled: the README shows how the construct is used, by lines of the program that
// TestFromAnotherModule compiles.
func TestReadmeShowsWhatIsCompiled(t *testing.T) {
	compiled := dedented(strings.Join(snippets(t, "../docs/deploy.md"), ""))
	programs := snippets(t, "../README.md")
	if len(programs) == 0 {
		t.Error("the README does not show how the construct is used")
	}
	for _, shown := range programs {
		if !strings.Contains(compiled, dedented(shown)) {
			t.Errorf("the README shows lines that are not, in this order, in the program in docs/deploy.md:\n%s", shown)
		}
	}
}

// dedented is a program without its indentation, of which an excerpt has less.
func dedented(program string) string {
	return regexp.MustCompile(`(?m)^\t+`).ReplaceAllString(strings.TrimSpace(program), "")
}

// TestDeployPage compares the table of context keys with those that the app reads, and the make targets and
// outputs that the page names with those there are.
func TestDeployPage(t *testing.T) {
	b, err := os.ReadFile("../docs/deploy.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	app := newApp(t, alone)
	c := newContext(app.Node())
	_, _ = readSettingsFrom(c)
	_, table, _ := strings.Cut(page, "| Key | Sets | Default |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(table, -1) {
		listed[row[1]] = true
		if !c.used[row[1]] {
			t.Errorf("%s is listed and no setting", row[1])
		}
	}
	for key := range c.used {
		if !listed[key] {
			t.Errorf("%s is a setting and not listed", key)
		}
	}
	makefile, err := os.ReadFile("infra.mk")
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range regexp.MustCompile("(?m)(?:`|^)make (\\w+)").FindAllStringSubmatch(page, -1) {
		if !strings.Contains(string(makefile), "\n"+target[1]+":") {
			t.Errorf("there is no make %s", target[1])
		}
	}
	template := string(synth(t, complete))
	for _, output := range []string{"UploadBucket", "CacheBucket", "DomainTarget"} {
		if !strings.Contains(page, output) || !strings.Contains(template, `"`+output+`": {`) {
			t.Errorf("the output %s is not on the page, or not in the template", output)
		}
	}
}
