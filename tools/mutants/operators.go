package main

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
)

// passOver says which parts of the source have no mutants: what must be
// constant, what is only read by people, and what is only there for speed.
func (m *mutator) passOver(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec, *ast.TypeSpec, *ast.FieldList, *ast.Comment, *ast.CommentGroup, *ast.ArrayType, *ast.MapType, *ast.FuncType:
		return true
	case *ast.GenDecl:
		return n.Tok == token.CONST || n.Tok == token.IMPORT
	case *ast.FuncDecl:
		return n.Body == nil || n.Recv != nil && (n.Name.Name == "String" || n.Name.Name == "Error")
	case *ast.CallExpr:
		return m.onlyWords(n) || m.onlySpeed(n)
	case *ast.ExprStmt:
		call, ok := n.X.(*ast.CallExpr)
		return ok && (m.onlyWords(call) || m.onlySpeed(call))
	}
	return false
}

// onlyWords says that a call makes or writes a text for people.
func (m *mutator) onlyWords(call *ast.CallExpr) bool {
	switch path, name := m.callee(call); path {
	case "log/slog", "log":
		return true
	case "errors":
		return name == "New"
	case "fmt":
		return name == "Errorf" || name == "Sprintf" || name == "Sprint"
	}
	return false
}

// onlySpeed says that a call's arguments, or the call, change no result.
func (m *mutator) onlySpeed(call *ast.CallExpr) bool {
	path, name := m.callee(call)
	switch {
	case path == "" && name == "make":
		return len(call.Args) == 3 || !m.isSlice(call)
	case name == "Grow", path == "bufio" && (name == "NewReaderSize" || name == "NewWriterSize"):
		return true
	}
	return false
}

func (m *mutator) isSlice(e ast.Expr) bool {
	t := m.src.info.Types[e].Type
	if t == nil {
		return false
	}
	_, ok := t.Underlying().(*types.Slice)
	return ok
}

// callee names what is called: the package's import path, empty for a builtin,
// and the function or method.
func (m *mutator) callee(call *ast.CallExpr) (path, name string) {
	var id *ast.Ident
	switch f := ast.Unparen(call.Fun).(type) {
	case *ast.Ident:
		id = f
	case *ast.SelectorExpr:
		id = f.Sel
	default:
		return "?", ""
	}
	obj := m.src.info.Uses[id]
	if obj == nil {
		return "?", id.Name
	}
	if obj.Pkg() == nil {
		return "", id.Name
	}
	return obj.Pkg().Path(), id.Name
}

// visit offers the mutants of one node; what lies in it has been visited.
func (m *mutator) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		m.binary(n)
	case *ast.CallExpr:
		m.timeBoundary(n)
	case *ast.IfStmt:
		m.condition("if", n.Cond)
	case *ast.ForStmt:
		if n.Cond != nil && m.isBool(n.Cond) {
			m.force("for", n.Cond, false)
		}
	case *ast.RangeStmt:
		m.insert(n.Body.Lbrace+1, n, "for … range "+short(m.text(n.X)), "(body dropped)", " if mutOn(%d) { break };")
	case *ast.CaseClause:
		m.caseClause(n)
	case *ast.CommClause:
		if len(n.Body) > 0 && n.Comm != nil {
			m.dropClause(n, n.Colon, "case "+short(m.text(n.Comm)))
		}
	case *ast.ReturnStmt:
		m.results(n)
	case *ast.FuncDecl:
		m.endOfFunc(n, n.Body)
	case *ast.FuncLit:
		m.endOfFunc(n, n.Body)
	}
	if e, ok := n.(ast.Expr); ok {
		m.boolean(e)
		m.integer(e)
	}
	if s, ok := n.(ast.Stmt); ok && m.inList(s) {
		m.statement(s)
	}
}

var boundaries = map[token.Token]token.Token{token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR}

var arithmetic = map[token.Token]token.Token{
	token.ADD: token.SUB, token.SUB: token.ADD, token.MUL: token.QUO, token.QUO: token.MUL, token.REM: token.MUL,
	token.SHL: token.SHR, token.SHR: token.SHL, token.AND: token.OR, token.OR: token.AND, token.XOR: token.AND,
}

// binary: the boundary of a comparison, each operand of && and || left out,
// and arithmetic.
func (m *mutator) binary(e *ast.BinaryExpr) {
	if m.src.info.Types[e].Value != nil {
		return
	}
	x, y := m.text(e.X), m.text(e.Y)
	switch e.Op {
	case token.LAND, token.LOR:
		m.leaveOut(e, e.X, e.Y)
		m.leaveOut(e, e.Y, e.X)
		return
	}
	if op, ok := boundaries[e.Op]; ok {
		after := x + " " + op.String() + " " + y
		m.change(e, short(after), func(id int, inner string) string {
			return fmt.Sprintf("(mutOn(%d) && (%s) || !mutOn(%d) && (%s))", id, after, id, inner)
		})
		return
	}
	if op, ok := arithmetic[e.Op]; ok && m.isInteger(e) && !m.calls(e, "recover") {
		if t, ok := m.typeName(e); ok {
			after := x + " " + op.String() + " " + y
			m.change(e, short(after), func(id int, inner string) string {
				return fmt.Sprintf("func() %s { if mutOn(%d) { return %s }; return %s }()", t, id, after, inner)
			})
		}
	}
}

// leaveOut takes one operand from a conjunction or disjunction. An operand
// that is one itself has operands of its own to leave out.
func (m *mutator) leaveOut(e *ast.BinaryExpr, operand, other ast.Expr) {
	if in, ok := ast.Unparen(operand).(*ast.BinaryExpr); ok && (in.Op == token.LAND || in.Op == token.LOR) {
		return
	}
	if !m.isBool(operand) {
		return
	}
	format := "(mutOn(%d) || (%s))"
	if e.Op == token.LOR {
		format = "(!mutOn(%d) && (%s))"
	}
	m.changeAs(operand, e, short(m.text(e)), short(m.text(other)), func(id int, inner string) string { return fmt.Sprintf(format, id, inner) })
}

// timeBoundary: a time compared with another, at the moment where they are equal.
func (m *mutator) timeBoundary(call *ast.CallExpr) {
	path, name := m.callee(call)
	sel, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr)
	if !ok || path != "time" || len(call.Args) != 1 || name != "After" && name != "Before" || m.src.info.Selections[sel] == nil {
		return
	}
	other := map[string]string{"After": "Before", "Before": "After"}[name]
	after := fmt.Sprintf("!%s.%s(%s)", m.text(sel.X), other, m.text(call.Args[0]))
	m.change(call, short(after), func(id int, inner string) string {
		return fmt.Sprintf("(mutOn(%d) && %s || !mutOn(%d) && %s)", id, after, id, inner)
	})
}

// condition: the branch always taken, and never. Where leaving out an operand
// says more, it stands for one of them.
func (m *mutator) condition(word string, e ast.Expr) {
	if !m.isBool(e) {
		return
	}
	in, ok := ast.Unparen(e).(*ast.BinaryExpr)
	if !ok || in.Op != token.LAND {
		m.force(word, e, true)
	}
	if !ok || in.Op != token.LOR {
		m.force(word, e, false)
	}
}

func (m *mutator) force(word string, e ast.Expr, to bool) {
	format := "(!mutOn(%d) && (%s))"
	if to {
		format = "(mutOn(%d) || (%s))"
	}
	m.changeAs(e, e, word+" "+short(m.text(e)), fmt.Sprintf("%s %t", word, to), func(id int, inner string) string { return fmt.Sprintf(format, id, inner) })
}

func (m *mutator) caseClause(c *ast.CaseClause) {
	if sw, ok := m.ancestor(2).(*ast.SwitchStmt); ok && sw.Tag == nil && c.List != nil {
		for _, e := range c.List {
			m.condition("case", e)
		}
		return
	}
	if len(c.Body) == 0 {
		return
	}
	words := "default"
	for i, e := range c.List {
		if i == 0 {
			words = "case " + m.text(e)
		} else {
			words += ", " + m.text(e)
		}
	}
	m.dropClause(c, c.Colon, short(words))
}

// dropClause makes the body of a clause end at its start. The break that does
// so lets control reach the end of a switch that had none, hence endOfFunc.
func (m *mutator) dropClause(c ast.Node, colon token.Pos, words string) {
	_, f := m.signature()
	m.panics[f] = true
	m.insert(colon+1, c, words, "(body dropped)", " if mutOn(%d) { break };")
}

func (m *mutator) endOfFunc(f ast.Node, body *ast.BlockStmt) {
	if !m.panics[f] {
		return
	}
	sig, _ := m.src.info.TypeOf(funcExpr(f)).(*types.Signature)
	if sig != nil && sig.Results().Len() == 0 {
		return
	}
	at := m.offset(body.Rbrace)
	m.out.add(at, at, func(string) string { return "; panic(\"a mutant fell out of a switch\") " })
}

func funcExpr(f ast.Node) ast.Expr {
	switch f := f.(type) {
	case *ast.FuncDecl:
		return f.Name
	case *ast.FuncLit:
		return f
	}
	return nil
}

// boolean: true for false, and the opposite of a truth value that is kept,
// passed on or returned.
func (m *mutator) boolean(e ast.Expr) {
	if !m.isBool(e) {
		return
	}
	if v := m.src.info.Types[e].Value; v != nil {
		if id, ok := e.(*ast.Ident); ok && (id.Name == "true" || id.Name == "false") && m.isUniverse(id) {
			value := constant.BoolVal(v)
			m.change(e, fmt.Sprint(!value), func(id int, _ string) string {
				if value {
					return fmt.Sprintf("!mutOn(%d)", id)
				}
				return fmt.Sprintf("mutOn(%d)", id)
			})
		}
		return
	}
	switch e.(type) {
	case *ast.BinaryExpr, *ast.UnaryExpr, *ast.CallExpr:
	case *ast.Ident, *ast.SelectorExpr:
		if _, ok := m.parent().(*ast.ReturnStmt); !ok {
			return
		}
	default:
		return
	}
	switch p := m.parent().(type) {
	case *ast.ReturnStmt, *ast.ValueSpec, *ast.KeyValueExpr, *ast.CompositeLit, *ast.SendStmt:
	case *ast.AssignStmt:
		if !slices.ContainsFunc(p.Rhs, func(r ast.Expr) bool { return ast.Unparen(r) == e }) {
			return
		}
	case *ast.CallExpr:
		if ast.Unparen(p.Fun) == e {
			return
		}
	default:
		return
	}
	m.change(e, short("!("+m.text(e)+")"), func(id int, inner string) string { return fmt.Sprintf("(mutOn(%d) != (%s))", id, inner) })
}
