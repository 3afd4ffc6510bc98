// Package walkthrough runs the README's walk-through on a real cluster the way a person would: with kubectl, an image
// tag and a client outside the cluster. The demo narrates it; the end-to-end tests assert it.
package walkthrough
