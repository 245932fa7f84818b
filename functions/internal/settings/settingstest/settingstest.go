// Package settingstest gives tests an environment to read settings from.
package settingstest

// Environment returns a lookup, such as os.LookupEnv is, of variables given as names
// and values in turn. Of a name that is given twice, the last value counts.
func Environment(pairs ...string) func(string) (string, bool) {
	values := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}
}
