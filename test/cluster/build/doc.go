// Package build turns pinned Go modules into the programs that a cluster
// consists of, once, and keeps them in the user's cache directory.
//
// A component is one folder under components/ (a tiny module of its own, so
// that no two of them have to agree on a dependency) and becomes one folder in
// the cache, named by version and by a hash of what went into it. A folder that
// is there is complete: it is written under another name and renamed.
package build
