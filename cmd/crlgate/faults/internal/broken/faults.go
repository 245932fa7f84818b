package broken

// Edit is a change of a source file, which must hold From once.
type Edit struct{ File, From, To string } // File from the top of the repository

// Fault is one that is put into a function.
type Fault struct {
	Name     string
	Function string // preprocessor or authorizer
	Edits    []Edit
	// Run is what must find it: a scenario of the crash matrix for the
	// preprocessor, LANE, FAULT on KIND of the fault matrix for the authorizer.
	Run string
	// Short: also in the short run.
	Short bool
}

// Faults are all of them. Each breaks what one sentence of docs/reliability.md
// promises.
var Faults = []Fault{
	{
		Name: "it writes the catalog before the set that it names", Function: "preprocessor", Run: "first upload", Short: true,
		Edits: []Edit{
			{"pkg/preprocess/enter.go", "return write, p.putSets(ctx, entries, now)", "return write, nil"},
			{"pkg/preprocess/enter.go", "	r := e.report\n	if e.refused != nil {\n		r.refuse", "	r := e.report\n	if err := p.putSets(ctx, []*entry{e}, now); err != nil {\n		return err\n	}\n	if e.refused != nil {\n		r.refuse"},
		},
	},
	{
		Name: "it lets an older CRL take the place of a newer one", Function: "preprocessor", Run: "replacement, CACHE_JSON", Short: true,
		Edits: []Edit{{"pkg/catalog/succession.go", "func (f *Floor) refuses(l *CRL) (Code, string) {\n", "func (f *Floor) refuses(l *CRL) (Code, string) {\n	return \"\", \"\"\n"}},
	},
	{
		Name: "its timer does not look for reports on what is gone", Function: "preprocessor", Run: "issuers file deleted, no CRL",
		Edits: []Edit{{"pkg/preprocess/stale.go", "if !ok || there[key] ||", "if !ok || len(key) > 0 || there[key] ||"}},
	},
	{
		Name: "its sweep does not ask how old an object is", Function: "preprocessor", Run: "sweep",
		Edits: []Edit{{"pkg/preprocess/sweep.go", "if now.Sub(object.LastModified) > keep+fresh && !used", "if !used"}},
	},
	{
		Name: "it takes a block that cannot be read or verified for one without the serial number", Function: "authorizer", Run: "by range, bit flip on block range", Short: true,
		Edits: []Edit{{"pkg/revocation/ranged.go", "		return e, false, pays, err\n	}\n	e, hit = p.block", "		return e, false, pays, nil\n	}\n	e, hit = p.block"}},
	},
	{
		Name: "it does not ask how old the catalog is", Function: "authorizer", Run: "warm until stale, 503 SlowDown on catalog", Short: true,
		Edits: []Edit{{"pkg/authorize/decide.go", "return f.Answer.Stale }", "return false }"}},
	},
	{
		Name: "it takes a catalog of a lower generation", Function: "authorizer", Run: "warm, old object put back on catalog",
		Edits: []Edit{{"pkg/revocation/refresh.go", "if old != nil && cat.Generation <= old.catalog.Generation {", "if old != nil && cat.Generation == old.catalog.Generation {"}},
	},
	{
		Name: "it waits for S3 as long as that takes", Function: "authorizer", Run: "cold, sets, hang on whole set",
		Edits: []Edit{{"pkg/revocation/ask.go", "	return context.WithTimeout(ctx, deadline.Sub(c.clock())*9/10)\n", "	_ = deadline\n	return context.WithCancel(context.WithoutCancel(ctx))\n"}},
	},
}
