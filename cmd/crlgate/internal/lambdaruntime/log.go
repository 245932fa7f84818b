package lambdaruntime

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"
)

// maxLineBytes is where a line without an end is cut.
const maxLineBytes = 256 << 10

// log hands one line to Config.Log.
func (f *Function) log(line LogLine) {
	if f.cfg.Log == nil {
		return
	}
	line.Function = f.cfg.Name
	f.logMu.Lock()
	defer f.logMu.Unlock()
	f.cfg.Log(line)
}

// platform logs a line of the platform's own about the environment.
func (e *environment) platform(format string, args ...any) {
	if e.f.cfg.Log == nil {
		return
	}
	pid, _ := e.proc.status()
	e.f.log(LogLine{PID: pid, Platform: true, Text: fmt.Sprintf(format, args...)})
}

// logStart logs the line that Lambda writes before an invocation.
func (e *environment) logStart(id string) {
	e.platform("START RequestId: %s Version: %s", id, version)
}

// logEnd logs the lines that Lambda writes after an invocation.
func (e *environment) logEnd(r Result) {
	if e.f.cfg.Log == nil {
		return
	}
	switch r.ErrorType {
	case ErrorTypeExit, ErrorTypeEntrypoint, ErrorTypeResponseSize, ErrorTypeTimeout:
		e.platform("%s", strings.TrimSpace(r.ErrorMessage+" "+r.ErrorType))
	}
	e.platform("END RequestId: %s", r.RequestID)
	report := fmt.Sprintf("REPORT RequestId: %s\tDuration: %s\tBilled Duration: %.0f ms\tMemory Size: %d MB",
		r.RequestID, milliseconds(r.Duration), math.Ceil((r.InitDuration+r.Duration).Seconds()*1000), e.f.cfg.MemoryMB)
	if _, peak := Memory(r.PID); peak > 0 {
		report += fmt.Sprintf("\tMax Memory Used: %d MB", (peak+1<<20-1)>>20)
	}
	if r.InitDuration > 0 {
		report += "\tInit Duration: " + milliseconds(r.InitDuration)
	}
	if r.ErrorType == ErrorTypeTimeout {
		report += "\tStatus: timeout"
	}
	e.platform("%s", report)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", d.Seconds()*1000)
}

// A lineWriter cuts what a process writes into lines.
type lineWriter struct {
	emit func(line string)
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	from := 0
	for {
		end := bytes.IndexByte(w.rest[from:], '\n')
		if end < 0 && len(w.rest)-from < maxLineBytes {
			break
		}
		next := from + end + 1
		if end < 0 || end > maxLineBytes {
			end, next = maxLineBytes, from+maxLineBytes
		}
		w.emit(string(bytes.TrimSuffix(w.rest[from:from+end], []byte("\r"))))
		from = next
	}
	w.rest = w.rest[:copy(w.rest, w.rest[from:])]
	return len(p), nil
}

// flush emits a last line that has no newline.
func (w *lineWriter) flush() {
	if len(w.rest) > 0 {
		w.emit(string(w.rest))
		w.rest = nil
	}
}
