package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// A source is one package whose mutants are wanted: parsed and type-checked,
// without its tests.
type source struct {
	Folder string // relative to the top of the module, with slashes
	Dir    string // absolute
	fset   *token.FileSet
	files  []*sourceFile
	pkg    *types.Package
	info   *types.Info
}

// A sourceFile is one file of a source, with its text.
type sourceFile struct {
	name string // absolute
	text []byte
	tree *ast.File
}

// listed is what "go list -json" says of a package.
type listed struct {
	ImportPath string
	Dir        string
	Export     string
	GoFiles    []string
	ImportMap  map[string]string
}

// loadSources reads the packages in these folders, relative to root. They must
// compile: the export data of what they import comes from the Go tool.
func loadSources(root string, folders []string) ([]*source, error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles,ImportMap"}
	for _, folder := range folders {
		args = append(args, "./"+folder)
	}
	out, err := goCommand(root, args...)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	byDir := map[string]listed{}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("reading go list: %w", err)
		}
		exports[p.ImportPath] = p.Export
		byDir[p.Dir] = p
	}
	var all []*source
	for _, folder := range folders {
		dir := filepath.Join(root, filepath.FromSlash(folder))
		p, ok := byDir[dir]
		if !ok {
			return nil, fmt.Errorf("%s: no Go package there", folder)
		}
		s, err := check(p, exports)
		if err != nil {
			return nil, err
		}
		s.Folder = filepath.ToSlash(folder)
		all = append(all, s)
	}
	return all, nil
}

// check parses and type-checks one package.
func check(p listed, exports map[string]string) (*source, error) {
	s := &source{
		Dir: p.Dir, fset: token.NewFileSet(),
		info: &types.Info{
			Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{},
			Selections: map[*ast.SelectorExpr]*types.Selection{}, Scopes: map[ast.Node]*types.Scope{}, Implicits: map[ast.Node]types.Object{},
		},
	}
	var trees []*ast.File
	for _, name := range p.GoFiles {
		name = filepath.Join(p.Dir, name)
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		tree, err := parser.ParseFile(s.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, &sourceFile{name: name, text: text, tree: tree})
		trees = append(trees, tree)
	}
	lookup := func(path string) (io.ReadCloser, error) {
		if mapped, ok := p.ImportMap[path]; ok {
			path = mapped
		}
		file, ok := exports[path]
		if !ok || file == "" {
			return nil, fmt.Errorf("no export data of %s", path)
		}
		return os.Open(file)
	}
	conf := types.Config{Importer: importer.ForCompiler(s.fset, "gc", lookup)}
	pkg, err := conf.Check(p.ImportPath, s.fset, trees, s.info)
	if err != nil {
		return nil, fmt.Errorf("type-checking %s: %w", p.ImportPath, err)
	}
	s.pkg = pkg
	return s, nil
}

// goCommand runs the Go tool in dir and returns its output.
func goCommand(dir string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w\n%s", strings.Join(args[:min(len(args), 3)], " "), err, stderr.String())
	}
	return out, nil
}
