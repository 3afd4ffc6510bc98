// Package rulebook writes the pages of docs/rules: the table of rules goes in, with the cases that its tests run, and a page
// per rule comes out, with an example of what is wrong, what is said about it, and one that is right.
//
//go:generate go run ./page ../../pkg/validate/testdata ../../docs/rules
package rulebook
