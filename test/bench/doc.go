// Package bench measures what the design promises of the running processes. Nothing asserts a time, because machines
// are noisy: a benchmark reports, and figures are compared within one run.
//
//	make bench
package bench
