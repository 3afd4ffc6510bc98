// Package peers holds the admission servers that ours is measured beside, each as its users run it: a process that
// serves HTTPS. They are in a module of their own, because what they are built from is none of our business otherwise.
package peers
