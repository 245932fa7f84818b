package lambdaruntime

import (
	"testing"
	"time"
)

// BenchmarkInvoke measures a warm invocation that only echoes, from call to
// result: what the Runtime API and aws-lambda-go's loop add to a function.
func BenchmarkInvoke(b *testing.B) {
	for name, freeze := range map[string]bool{"running": false, "frozen": true} {
		b.Run(name, func(b *testing.B) {
			f, err := Start(b.Context(), Config{Name: "test", Binary: testBinary, Timeout: time.Minute, Freeze: freeze})
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			payload := []byte(`{"a":1}`)
			if _, err := f.Invoke(b.Context(), payload); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Invoke(b.Context(), payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
