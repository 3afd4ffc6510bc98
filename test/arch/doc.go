// Package arch holds the architecture: import direction, purity and package comments, read from the sources.
package arch
