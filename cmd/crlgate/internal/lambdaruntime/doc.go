// Package lambdaruntime runs unmodified aws-lambda-go bootstrap binaries as
// processes, the way AWS Lambda runs them in execution environments.
//
// [Start] describes one function. [Function.Invoke] invokes it and waits,
// [Function.InvokeAsync] queues an event for it, [Function.Close] ends it with
// every process it started. Each process is one execution environment: it has
// its own server for the Lambda Runtime API on 127.0.0.1, is started when an
// invocation finds no idle one, and is used again for later invocations, most
// recently used first.
//
// # What is as on Lambda
//
//   - The Runtime API 2018-06-01: next, response, error and init/error, with
//     its headers (https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html).
//     Extensions may register, so that lambda.WithEnableSIGTERM works; they
//     receive no events.
//   - The process sees only the variables that Lambda defines and those of
//     [Config.Env]; nothing is inherited from the parent.
//   - A function error (returned, panicked, exited, timed out, answer too large)
//     is a [Result] with FunctionError set and Lambda's error document as
//     payload. A refusal of the service (throttled, payload too large) is a Go
//     error.
//   - At its time limit an invocation's process is killed. With
//     [Config.Concurrency] above 1 only that invocation fails, as on Lambda
//     Managed Instances, until none of the process's workers is left.
//   - With [Config.Freeze] a process is stopped as soon as it has answered and
//     asked for the next event, and continued when there is one.
//   - Asynchronous events are tried again after function errors; what fails each
//     time, or grows too old, goes to [Config.OnFailure] as the record that Lambda
//     sends to a failure destination.
//
// # What is not
//
//   - A failed init is one error to the caller and is tried again by the next
//     invocation. Lambda first tries it once more within the same invocation.
//   - The memory size is advertised, not enforced, and CPU is not scaled with it.
//   - The file system and the network are those of the machine. A frozen
//     process's clocks go on, monotonic ones too.
//   - Idle environments are kept until Close; Lambda discards them at its will.
//   - Response streaming, Cognito identities, client contexts and X-Ray.
//
// Processes have their own process groups, so that a terminal's Ctrl-C reaches
// only the parent. When the parent dies, even by SIGKILL, they end too: see
// process_linux.go and process_other.go. The package needs a Unix system.
package lambdaruntime
