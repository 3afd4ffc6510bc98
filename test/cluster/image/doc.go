// Package image makes container images out of files, without a container engine:
// a Spec goes in, an archive that containerd, Docker and kind load comes out.
//
// Everything about an archive follows from the files' contents, so the same
// files give the same digest, and an image that a cluster already has is known
// before anything is copied.
package image
