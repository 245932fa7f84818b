package lambdaruntime

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestConfigFaultsAreAllNamed(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Config{
		Name: "a b", Binary: plain, Timeout: 16 * time.Minute, InitTimeout: -1, MemoryMB: 64, MaxEnvironments: -1,
		Concurrency: 2, Freeze: true, LogFormat: "XML", MaxEventAge: -1, AsyncQueueBytes: 1,
		Env: map[string]string{"AWS_REGION": "x", "1A": "", "ZERO": "\x00", "LONG": strings.Repeat("x", 4096)},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`configuring function "a b"`, `Name "a b"`, "Timeout 16m0s", "InitTimeout -1ns", "MemoryMB 64", "MaxEnvironments -1",
		"Freeze with Concurrency 2", `LogFormat "XML"`, "MaxEventAge -1ns", "AsyncQueueBytes 1",
		"Env AWS_REGION: reserved", `Env "1A"`, "Env ZERO: the value contains a zero byte", "Env: 4118 bytes", "plain: not an executable file",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error does not say %q:\n%v", want, err)
		}
	}
	for binary, want := range map[string]string{
		"":                            "no Binary",
		dir:                           "not an executable file",
		filepath.Join(dir, "missing"): "no such file or directory",
	} {
		if _, err := Start(t.Context(), Config{Name: "test", Binary: binary}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Binary %q: %v; want %q", binary, err, want)
		}
	}
}

func TestConfigDefaults(t *testing.T) {
	c, err := Config{Name: "test", Binary: testBinary}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if c.Timeout != 3*time.Second || c.InitTimeout != 10*time.Second || c.MemoryMB != 128 || c.MaxEnvironments != 1000 ||
		c.Concurrency != 1 || len(c.RetryDelays) != 2 || c.RetryDelays[0] != time.Minute || c.RetryDelays[1] != 2*time.Minute ||
		c.MaxEventAge != 6*time.Hour || c.arn() != "arn:aws:lambda:us-east-1:123456789012:function:test" {
		t.Errorf("defaults: %+v", c)
	}
}

func TestRelativeBinary(t *testing.T) {
	t.Chdir(filepath.Dir(testBinary))
	f, err := Start(context.Background(), Config{Name: "test", Binary: "bootstrap"})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	t.Chdir("/")
	succeed(t, f, `1`)
}
