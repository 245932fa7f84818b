package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
)

// ancestor is the n-th node around the one at hand: 1 is its parent.
func (m *mutator) ancestor(n int) ast.Node {
	if n > len(m.stack) {
		return nil
	}
	return m.stack[len(m.stack)-n]
}

// inList says that the node at hand is one of a list of statements, and so can
// be left out.
func (m *mutator) inList(s ast.Stmt) bool {
	switch p := m.ancestor(1).(type) {
	case *ast.BlockStmt, *ast.CaseClause:
		return true
	case *ast.CommClause:
		return s != p.Comm
	}
	return false
}

// statement: left out. Definitions stay, and what ends a function.
func (m *mutator) statement(s ast.Stmt) {
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE || allBlank(s.Lhs) {
			return
		}
	case *ast.IncDecStmt, *ast.DeferStmt, *ast.GoStmt, *ast.SendStmt:
	case *ast.ExprStmt:
		call, ok := s.X.(*ast.CallExpr)
		if !ok {
			break
		}
		if path, name := m.callee(call); path == "" && name == "panic" {
			return
		}
	case *ast.BranchStmt:
		if s.Tok != token.BREAK && s.Tok != token.CONTINUE || m.isLast(s) && s.Tok == token.BREAK && s.Label == nil && m.inSwitch() {
			return
		}
	case *ast.ReturnStmt:
		if sig, f := m.signature(); sig == nil || sig.Results().Len() > 0 || m.isLast(s) && m.ancestor(2) == f {
			return
		}
	default:
		return
	}
	m.change(s, removed, func(id int, inner string) string { return fmt.Sprintf("if !mutOn(%d) { %s }", id, inner) })
}

func allBlank(list []ast.Expr) bool {
	for _, e := range list {
		if id, ok := e.(*ast.Ident); !ok || id.Name != "_" {
			return false
		}
	}
	return true
}

// isLast says that nothing follows a statement in its list.
func (m *mutator) isLast(s ast.Stmt) bool {
	var list []ast.Stmt
	switch p := m.ancestor(1).(type) {
	case *ast.BlockStmt:
		list = p.List
	case *ast.CaseClause:
		list = p.Body
	case *ast.CommClause:
		list = p.Body
	}
	return len(list) > 0 && list[len(list)-1] == s
}

func (m *mutator) inSwitch() bool {
	switch m.ancestor(1).(type) {
	case *ast.CaseClause, *ast.CommClause:
		return true
	}
	return false
}

// results: nil in place of an error, and the zero value in place of another
// result where there is no error.
func (m *mutator) results(r *ast.ReturnStmt) {
	sig, _ := m.signature()
	if sig == nil || len(r.Results) != sig.Results().Len() || len(r.Results) == 0 {
		return
	}
	last := len(r.Results) - 1
	failing := types.Identical(sig.Results().At(last).Type(), types.Universe.Lookup("error").Type()) && !m.isZero(r.Results[last])
	for i, e := range r.Results {
		t := sig.Results().At(i).Type()
		if m.isZero(e) || failing && i < last || isBoolType(t) || m.calls(e, "recover") {
			continue
		}
		name, ok := m.nameOf(t, e.Pos())
		if !ok {
			continue
		}
		m.changeAs(e, e, "return "+short(m.text(e)), "return "+zeroName(t), func(id int, inner string) string {
			return fmt.Sprintf("mutZero[%s](%d, %s)", name, id, inner)
		})
	}
}

func zeroName(t types.Type) string {
	switch u := t.Underlying().(type) {
	case *types.Basic:
		if u.Info()&types.IsString != 0 {
			return `""`
		}
		return "0"
	case *types.Struct, *types.Array:
		return "zero value"
	}
	return "nil"
}

// isZero says that an expression is plainly the zero value.
func (m *mutator) isZero(e ast.Expr) bool {
	e = ast.Unparen(e)
	tv := m.src.info.Types[e]
	if tv.IsNil() {
		return true
	}
	if tv.Value != nil {
		switch tv.Value.Kind() {
		case constant.Int:
			return constant.Sign(tv.Value) == 0
		case constant.String:
			return constant.StringVal(tv.Value) == ""
		}
	}
	lit, ok := e.(*ast.CompositeLit)
	if !ok || len(lit.Elts) > 0 {
		return false
	}
	switch tv.Type.Underlying().(type) {
	case *types.Struct, *types.Array:
		return true
	}
	return false
}

// integer: one more and one less than a constant. A time.Duration of a second
// or more is moved by a second, an enumerated constant only up.
func (m *mutator) integer(e ast.Expr) {
	if _, ok := e.(*ast.ParenExpr); ok {
		return
	}
	tv := m.src.info.Types[e]
	if tv.Value == nil || tv.Value.Kind() != constant.Int || !m.isInteger(e) || m.mustBeConstant(e) {
		return
	}
	name, ok := m.typeName(e)
	if !ok {
		return
	}
	by, unit := int64(1), "1"
	_, named := types.Unalias(tv.Type).(*types.Named)
	if name == "time.Duration" {
		named = false
		if v, ok := constant.Int64Val(tv.Value); ok && v >= 1e9 {
			by, unit = 1e9, "time.Second"
		}
	}
	up, down := m.saysTheSame(e)
	before, head, tail := m.surroundings(e)
	if _, ok := m.ancestor(1).(*ast.BinaryExpr); ok && before != m.text(e) {
		head, tail = head+"(", ")"+tail
	}
	add := func(by int64, after string) {
		m.changeAs(e, e, short(before), short(head+m.text(e)+after+tail), func(id int, inner string) string {
			return fmt.Sprintf("mutAdd[%s](%d, %d, %s)", name, id, by, inner)
		})
	}
	if !up {
		add(by, " + "+unit)
	}
	if !down && !named {
		add(-by, " - "+unit)
	}
}

// surroundings is the text of what an expression is directly part of, and what
// of it lies before and after the expression: a number alone says little.
func (m *mutator) surroundings(e ast.Expr) (all, head, tail string) {
	switch p := m.ancestor(1).(type) {
	case *ast.BinaryExpr, *ast.CallExpr, *ast.IndexExpr, *ast.SliceExpr, *ast.CompositeLit, *ast.KeyValueExpr, *ast.AssignStmt, *ast.ReturnStmt:
		all = m.text(p)
		if len(short(all)) > 90 {
			break
		}
		at := m.offset(e.Pos()) - m.offset(p.Pos())
		return all, all[:at], all[at+len(m.text(e)):]
	}
	return m.text(e), "", ""
}

// mustBeConstant says that an expression is part of a larger constant, or
// stands where the language wants one.
func (m *mutator) mustBeConstant(e ast.Expr) bool {
	child := ast.Node(e)
	for i := 1; ; i++ {
		p := m.ancestor(i)
		if _, ok := p.(*ast.ParenExpr); ok {
			child = p
			continue
		}
		switch p := p.(type) {
		case *ast.SelectorExpr:
			return true
		case *ast.KeyValueExpr:
			lit, ok := m.ancestor(i + 1).(*ast.CompositeLit)
			if !ok || p.Key != child {
				return false
			}
			switch m.src.info.Types[lit].Type.Underlying().(type) {
			case *types.Struct, *types.Slice, *types.Array:
				return true
			}
			return false
		case *ast.CallExpr:
			return p.Fun == child || m.src.info.Types[p].Value != nil
		case ast.Expr:
			return m.src.info.Types[p].Value != nil
		}
		return false
	}
}

// saysTheSame says which of one more and one less are already mutants of the
// comparison that a constant is part of, or the opposite of its outcome.
func (m *mutator) saysTheSame(e ast.Expr) (up, down bool) {
	b, ok := m.parent().(*ast.BinaryExpr)
	if !ok {
		return false, false
	}
	op := b.Op
	if ast.Unparen(b.X) == e { // 5 < x is x > 5
		op = map[token.Token]token.Token{token.LSS: token.GTR, token.GTR: token.LSS, token.LEQ: token.GEQ, token.GEQ: token.LEQ, token.EQL: token.EQL, token.NEQ: token.NEQ}[op]
	}
	switch op {
	case token.LSS, token.GEQ:
		return true, false
	case token.GTR, token.LEQ, token.EQL, token.NEQ:
		return false, true
	}
	return false, false
}

func (m *mutator) isBool(e ast.Expr) bool {
	t := m.src.info.Types[e].Type
	return t != nil && isBoolType(t) && m.src.info.Types[e].IsValue()
}

func isBoolType(t types.Type) bool {
	b, ok := types.Unalias(t).(*types.Basic)
	return ok && b.Info()&types.IsBoolean != 0
}

func (m *mutator) isInteger(e ast.Expr) bool {
	t := m.src.info.Types[e].Type
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsInteger != 0 && b.Info()&types.IsUntyped == 0
}

func (m *mutator) isUniverse(id *ast.Ident) bool {
	obj := m.src.info.Uses[id]
	return obj != nil && obj.Parent() == types.Universe
}

// calls says that a builtin is called in an expression.
func (m *mutator) calls(e ast.Expr, builtin string) bool {
	found := false
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && id.Name == builtin && m.isUniverse(id) {
			found = true
		}
		return !found
	})
	return found
}

func (m *mutator) typeName(e ast.Expr) (string, bool) {
	return m.nameOf(m.src.info.Types[e].Type, e.Pos())
}

// nameOf writes a type as this file would at pos, if it can.
func (m *mutator) nameOf(t types.Type, pos token.Pos) (string, bool) {
	ok := true
	imports := map[string]string{}
	for _, spec := range m.file.tree.Imports {
		if obj := m.src.info.Implicits[spec]; obj != nil {
			name := obj.(*types.PkgName)
			imports[name.Imported().Path()] = name.Name()
		} else if spec.Name != nil && m.src.info.Defs[spec.Name] != nil {
			name := m.src.info.Defs[spec.Name].(*types.PkgName)
			imports[name.Imported().Path()] = name.Name()
		}
	}
	name := types.TypeString(t, func(p *types.Package) string {
		if p == m.src.pkg {
			return ""
		}
		if imports[p.Path()] == "" {
			ok = false
		}
		return imports[p.Path()]
	})
	if !ok {
		return "", false
	}
	tree, err := parser.ParseExpr(name)
	if err != nil {
		return "", false
	}
	// A variable may bear the name of a type or package.
	ast.Inspect(tree, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			ok = ok && m.resolves(n.X.(*ast.Ident).Name, pos)
			return false
		case *ast.Ident:
			ok = ok && m.resolves(n.Name, pos)
		}
		return true
	})
	return name, ok
}

func (m *mutator) resolves(name string, pos token.Pos) bool {
	scope := m.src.pkg.Scope().Innermost(pos)
	if scope == nil {
		return false
	}
	_, obj := scope.LookupParent(name, pos)
	switch obj.(type) {
	case *types.TypeName, *types.PkgName:
		return true
	}
	return false
}
