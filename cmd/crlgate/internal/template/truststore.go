package template

import (
	"fmt"
	"strings"
)

// truststore reads the function that looks after the domain's truststore, if
// there is one.
func (d *document) truststore(ids []string, uploads, cache string, g *Gate) (err error) {
	function := ""
	if len(ids) > 0 {
		function = ids[0]
	}
	told, err := d.notifications(cache, function)
	if err != nil || function == "" {
		return err
	}
	t := &Truststore{Prefixes: told["s3:ObjectCreated:*"]}
	if len(told) > 1 || len(told) == 1 && len(t.Prefixes) == 0 {
		return fmt.Errorf("%s notifies of %v; the local stack knows s3:ObjectCreated:*", cache, told)
	}
	if err := d.function(function, &t.Function, uploads, cache); err != nil {
		return err
	}
	if t.Retries, t.MaxEventAge, err = d.retries(function); err != nil {
		return err
	}
	if t.TimerEvery, t.TimerInput, err = d.timer(function); err != nil {
		return err
	}
	if name := t.Environment["DOMAIN_NAME"]; g.Domain != "" && g.Domain != name {
		return fmt.Errorf("%s looks after the domain %s, and the template's is %s", function, name, g.Domain)
	}
	g.Domain, g.Truststore = t.Environment["DOMAIN_NAME"], t
	return d.begins(t)
}

// begins finds the object with which the domain begins: the domain's own word, or
// what the function may read.
func (d *document) begins(t *Truststore) error {
	var domains []string
	for _, kind := range domainTypes {
		domains = append(domains, d.of(kind)...)
	}
	if len(domains) > 0 { // there is one, or the template was refused
		uri, err := d.properties(domains[0]).get("MutualTlsAuthentication", "TruststoreUri").text()
		t.Bucket, t.Key, _ = strings.Cut(strings.TrimPrefix(uri, "s3://"), "/")
		return err
	}
	for _, grant := range t.Policy.Grants("s3") {
		if object, ok := strings.CutPrefix(grant.Resource, "arn:aws:s3:::"); ok && grant.Action == "s3:GetObjectVersion" && t.Environment["MOVE_DOMAIN"] != "true" {
			t.Bucket, t.Key, _ = strings.Cut(object, "/")
		}
	}
	return nil
}
