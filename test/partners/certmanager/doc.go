// Package certmanager installs Sluice with the component of cert-manager, and has cert-manager's own controllers issue the
// certificates that our processes serve.
//
// Its commands are modules of their own that cannot be had by themselves, so the controllers that matter here are put together
// from its public packages, as its commands do. It is a module of its own, so that their dependencies are not ours.
package certmanager
