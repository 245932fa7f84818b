package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
)

// A Mutant is one small change to one place of the source.
type Mutant struct {
	ID      int    // from 1, over all packages of a run; 0 if it is not part of it
	Package string // folder, relative to the top
	File    string // relative to the top
	Line    int
	Func    string // the function as Go's documentation writes it, or "var NAME"
	Before  string // the text that changes, on one line
	After   string // what it changes to
	Nth     int    // from 1, where the same change is possible more than once in the function
}

// Change is the mutation without its place.
func (m *Mutant) Change() string {
	s := m.Before + arrow + m.After
	if m.Nth > 1 {
		s = fmt.Sprintf("#%d %s", m.Nth, s)
	}
	return s
}

// Key names a mutant in a way that outlives a change of line numbers.
func (m *Mutant) Key() string { return m.File + " " + m.Func + "\n" + m.Change() }

func (m *Mutant) String() string {
	return fmt.Sprintf("%s:%d: %s: %s", m.File, m.Line, m.Func, m.Change())
}

const (
	arrow   = " → "
	removed = "(removed)"
)

// A mutator goes through one package and offers each mutant to pick, which
// gives it a number, or 0 where it is not wanted in this run.
type mutator struct {
	src  *source
	root string
	pick func(*Mutant) int
	seen map[string]int

	file   *sourceFile
	out    *edits
	stack  []ast.Node        // the way from the file to the node at hand, exclusive
	panics map[ast.Node]bool // functions in whose switches a break was put
}

// mutate returns the new text of each file in which there is a mutant.
func mutate(src *source, root string, pick func(*Mutant) int) map[string]string {
	m := &mutator{src: src, root: root, pick: pick, seen: map[string]int{}}
	texts := map[string]string{}
	for _, f := range src.files {
		m.file, m.out, m.panics = f, &edits{}, map[ast.Node]bool{}
		m.walk(f.tree)
		if len(m.out.list) > 0 {
			texts[f.name] = m.out.apply(f.text)
		}
	}
	return texts
}

// walk visits what lies in a node before the node itself, so that edits of the
// same stretch nest as the nodes do.
func (m *mutator) walk(root ast.Node) {
	ast.Inspect(root, func(n ast.Node) bool {
		if n == nil {
			last := m.stack[len(m.stack)-1]
			m.stack = m.stack[:len(m.stack)-1]
			m.visit(last)
			return true
		}
		if m.passOver(n) {
			return false
		}
		m.stack = append(m.stack, n)
		return true
	})
}

// offer makes a mutant of the stretch of a node, if it is wanted.
func (m *mutator) offer(n ast.Node, before, after string) int {
	file, err := filepath.Rel(m.root, m.file.name)
	if err != nil {
		file = m.file.name
	}
	mutant := &Mutant{
		Package: m.src.Folder, File: filepath.ToSlash(file), Line: m.src.fset.Position(n.Pos()).Line,
		Func: m.function(), Before: before, After: after, Nth: 1,
	}
	m.seen[mutant.Key()]++
	mutant.Nth = m.seen[mutant.Key()]
	return m.pick(mutant)
}

// change makes one mutant of the node at hand. wrap puts the original, with
// what changes inside it, together with the changed form.
func (m *mutator) change(n ast.Node, after string, wrap func(id int, inner string) string) {
	m.changeAs(n, n, short(m.text(n)), after, wrap)
}

// changeAs is change where the words for it are not the text of the node, or
// belong to another node.
func (m *mutator) changeAs(n, at ast.Node, before, after string, wrap func(id int, inner string) string) {
	if before == after {
		return
	}
	if id := m.offer(at, before, after); id > 0 {
		m.out.add(m.offset(n.Pos()), m.offset(n.End()), func(inner string) string { return wrap(id, inner) })
	}
}

// insert puts a statement at a place.
func (m *mutator) insert(pos token.Pos, at ast.Node, before, after, format string) {
	if id := m.offer(at, before, after); id > 0 {
		m.out.add(m.offset(pos), m.offset(pos), func(string) string { return fmt.Sprintf(format, id) })
	}
}

func (m *mutator) offset(p token.Pos) int { return m.src.fset.Position(p).Offset }

// text is the source of a node as it stands.
func (m *mutator) text(n ast.Node) string {
	return string(m.file.text[m.offset(n.Pos()):m.offset(n.End())])
}

// parent is the node around the one at hand, parentheses aside.
func (m *mutator) parent() ast.Node {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(*ast.ParenExpr); !ok {
			return m.stack[i]
		}
	}
	return nil
}

// function names the declaration that the node at hand is in.
func (m *mutator) function() string {
	for _, n := range m.stack {
		switch n := n.(type) {
		case *ast.FuncDecl:
			return funcName(n)
		case *ast.ValueSpec:
			return "var " + n.Names[0].Name
		}
	}
	return "file"
}

func funcName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	t := f.Recv.List[0].Type
	star := ""
	if p, ok := t.(*ast.StarExpr); ok {
		star, t = "*", p.X
	}
	if i, ok := t.(*ast.IndexExpr); ok {
		t = i.X
	}
	name := fmt.Sprint(t)
	if star != "" {
		return "(*" + name + ")." + f.Name.Name
	}
	return name + "." + f.Name.Name
}

// signature is that of the innermost function around the node at hand, which
// is returned too.
func (m *mutator) signature() (*types.Signature, ast.Node) {
	for i := len(m.stack) - 1; i >= 0; i-- {
		switch f := m.stack[i].(type) {
		case *ast.FuncLit:
			sig, _ := m.src.info.Types[f].Type.(*types.Signature)
			return sig, f
		case *ast.FuncDecl:
			sig, _ := m.src.info.Defs[f.Name].Type().(*types.Signature)
			return sig, f
		}
	}
	return nil, nil
}

// short brings source text to one line of bounded length.
func short(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 100 {
		s = string(r[:70]) + " … " + string(r[len(r)-27:])
	}
	return s
}
