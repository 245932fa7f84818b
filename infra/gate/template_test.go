package gate_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"

	"github.com/crlgate/crlgate/infra/gate"
)

// assets makes a folder with binaries of fixed bytes, so that a template does not depend on the functions' code.
func assets(t *testing.T) *string {
	t.Helper()
	dir := t.TempDir()
	for _, function := range []string{"preprocessor", "authorizer"} {
		if err := os.Mkdir(filepath.Join(dir, function), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, function, "bootstrap"), []byte("the binary of the "+function+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return jsii.String(dir)
}

// synth makes a stack of one gate with props, lets more add to it, and returns its template.
func synth(t *testing.T, props *gate.Props, more ...func(awscdk.Stack, *gate.Gate)) template {
	t.Helper()
	if props == nil {
		props = &gate.Props{}
	}
	if props.AssetPath == nil {
		props.AssetPath = assets(t)
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	stack := awscdk.NewStack(app, jsii.String("Test"), nil)
	g := gate.New(stack, jsii.String("Gate"), props)
	for _, f := range more {
		f(stack, g)
	}
	return read(t, stack)
}

func read(t *testing.T, stack awscdk.Stack) template {
	t.Helper()
	return template{t, *assertions.Template_FromStack(stack, nil).ToJSON()}
}

// template is a synthesized template.
type template struct {
	t    *testing.T
	json map[string]any
}

// resources are the resources of a type, by logical id.
func (m template) resources(kind string) map[string]map[string]any {
	found := map[string]map[string]any{}
	for id, r := range m.json["Resources"].(map[string]any) {
		if r := r.(map[string]any); r["Type"] == kind {
			found[id] = r
		}
	}
	return found
}

// one is the only resource of a type whose logical id contains name, and that id.
func (m template) one(kind, name string) (id string, resource map[string]any) {
	m.t.Helper()
	for i, r := range m.resources(kind) {
		if strings.Contains(i, name) {
			if id != "" {
				m.t.Fatalf("two resources of type %s are named %s: %s and %s", kind, name, id, i)
			}
			id, resource = i, r
		}
	}
	if id == "" {
		m.t.Fatalf("no resource of type %s is named %s", kind, name)
	}
	return id, resource
}

// get follows keys into nested maps; nil if there is nothing.
func get(v any, keys ...string) any {
	for _, key := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

// text writes a value, intrinsic functions resolved in the way that reads best: refs as <id>, joins joined.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		if ref, ok := v["Ref"].(string); ok {
			return "<" + ref + ">"
		}
		if att := list(v["Fn::GetAtt"]); len(att) == 2 {
			return "<" + att[0].(string) + "." + att[1].(string) + ">"
		}
		if join := list(v["Fn::Join"]); len(join) == 2 {
			parts := make([]string, len(list(join[1])))
			for i, part := range list(join[1]) {
				parts[i] = text(part)
			}
			return strings.Join(parts, join[0].(string))
		}
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// texts writes one value or each of a list.
func texts(v any) []string {
	if v == nil {
		return nil
	}
	if l, ok := v.([]any); ok {
		out := make([]string, len(l))
		for i := range l {
			out[i] = text(l[i])
		}
		return out
	}
	return []string{text(v)}
}
