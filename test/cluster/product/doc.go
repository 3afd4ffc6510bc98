// Package product says what is in the images that tests and the demo run: our
// own three, and podinfo under the tags of the walk-through. They have the shape
// that the Dockerfile gives them, without Docker.
package product
