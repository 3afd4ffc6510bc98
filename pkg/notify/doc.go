// Package notify posts what a release wants the outside to hear: the hooks of a Canary, with the payload that Flagger's
// hooks receive, and in return the hook's answer as a Go error.
//
// It is a door: it decides nothing. Which hook is due, and what its answer means for the release, is pkg/canary's business.
package notify
