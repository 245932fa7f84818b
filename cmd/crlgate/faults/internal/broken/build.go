package broken

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Apply returns the changed texts by the paths of the files, below the top of the
// repository at source.
func (f *Fault) Apply(source string) (map[string]string, error) {
	texts := map[string]string{}
	for _, e := range f.Edits {
		path := filepath.Join(source, filepath.FromSlash(e.File))
		text, edited := texts[path]
		if !edited {
			data, err := os.ReadFile(path)
			if err != nil {
				return nil, fmt.Errorf("breaking a function: %w; run this from the top of the repository", err)
			}
			text = string(data)
		}
		if n := strings.Count(text, e.From); n != 1 {
			return nil, fmt.Errorf("%s holds this %d times and not once, so that %q cannot be put in:\n%s", e.File, n, f.Name, e.From)
		}
		texts[path] = strings.Replace(text, e.From, e.To, 1)
	}
	return texts, nil
}

// Build builds the function with the fault in it into a folder of its own in
// dir, beside a link to each function that is not broken, and returns the folder.
// The sources stay as they are.
func (f *Fault) Build(ctx context.Context, source, functions, dir string) (folder string, err error) {
	if folder, err = os.MkdirTemp(dir, f.Function+"-"); err != nil {
		return "", err
	}
	texts, err := f.Apply(source)
	if err != nil {
		return "", err
	}
	overlay, err := writeOverlay(folder, texts)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"preprocessor", "authorizer"} {
		if name == f.Function {
			continue
		}
		if err := os.Symlink(filepath.Join(functions, name), filepath.Join(folder, name)); err != nil {
			return "", err
		}
	}
	to := filepath.Join(folder, f.Function, "bootstrap")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-overlay", overlay, "-o", to, "./functions/"+f.Function)
	cmd.Dir, cmd.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the %s so that %s: %w\n%s", f.Function, f.Name, err, out)
	}
	return folder, nil
}

// writeOverlay writes the texts beside, and what go build -overlay reads.
func writeOverlay(folder string, texts map[string]string) (string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for path, text := range texts {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		other := filepath.Join(folder, filepath.Base(path))
		if err := os.WriteFile(other, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[abs] = other
	}
	data, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, data, 0o600)
}
