// Package nft brings rules into the kernel, in the network namespace of the calling thread, and finds out whether they
// are there: as whoever may read them, or by trying, as a process without any capability.
package nft
