package lambdaruntime

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func init() {
	if role := os.Getenv("LAMBDARUNTIME_TEST_PARENT"); role != "" {
		parentMain(role)
	}
}

// parentMain is the process that TestChildrenDieWithTheParent kills: it has an
// idle environment, a busy one and a frozen one, tells their processes and waits.
func parentMain(role string) {
	if role == "no signal" {
		parentDeathSignal = 0
	}
	fail := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	var list []int
	for _, name := range []string{"idle", "busy", "frozen"} {
		f, err := Start(context.Background(), Config{
			Name:    name,
			Binary:  os.Getenv("LAMBDARUNTIME_TEST_BINARY"),
			Freeze:  name == "frozen",
			Timeout: time.Minute,
		})
		fail(err)
		r, err := f.Invoke(context.Background(), []byte(`1`))
		fail(err)
		list = append(list, r.PID)
		if name == "busy" {
			go func() {
				_, _ = f.Invoke(context.Background(), []byte(os.Getenv("LAMBDARUNTIME_TEST_EVENT")))
			}()
			for f.Environments()[0].Invocations < 2 {
				time.Sleep(time.Millisecond)
			}
		}
	}
	fail(json.NewEncoder(os.Stdout).Encode(list))
	select {}
}

// The parent is killed without a chance to do anything. The kernel's signal
// ends its children; where there is none, as on other systems, the loss of the
// connection does, and SIGHUP for the stopped one.
func TestChildrenDieWithTheParent(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{"signal", "no signal"} {
		t.Run(role, func(t *testing.T) {
			release := filepath.Join(t.TempDir(), "go")
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(),
				"LAMBDARUNTIME_TEST_PARENT="+role,
				"LAMBDARUNTIME_TEST_BINARY="+testBinary,
				fmt.Sprintf(`LAMBDARUNTIME_TEST_EVENT={"do":"wait","file":%q}`, release))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line, readErr := bufio.NewReader(out).ReadBytes('\n')
			var children []int
			jsonErr := json.Unmarshal(line, &children)
			for _, pid := range children {
				if !alive(pid) {
					t.Errorf("process %d is gone before its parent", pid)
				}
				if group, err := syscall.Getpgid(pid); err != nil || group != pid {
					t.Errorf("process %d is in group %d, %v; want its own", pid, group, err)
				}
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			if readErr != nil || jsonErr != nil || len(children) != 3 {
				t.Fatalf("the parent said %q: %v, %v", line, readErr, jsonErr)
			}
			if role == "no signal" { // the busy one notices when it is done
				if err := os.WriteFile(release, nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, pid := range children {
				eventually(t, fmt.Sprintf("process %d of %v (idle, busy, frozen) to end", pid, children), func() bool { return !alive(pid) })
			}
		})
	}
}

func TestMemory(t *testing.T) {
	resident, peak := Memory(os.Getpid())
	if resident < 1<<20 || peak < resident || peak > 1<<40 {
		t.Errorf("this process has %d octets, and had %d", resident, peak)
	}
	if resident, peak := Memory(1 << 30); resident != 0 || peak != 0 {
		t.Errorf("a process that is not there has %d octets, and had %d", resident, peak)
	}
}
