package image

import "strings"

// MissingFrom says whether the image is absent, under any of its names, from
// what "ctr images list" prints, or is another one there.
func (i *Image) MissingFrom(list string) bool {
	present := digests(list)
	for _, name := range i.Names {
		if present[name] != i.Digest {
			return true
		}
	}
	return false
}

// digests reads ctr's table: name, media type, digest and more.
func digests(list string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(list) {
		if fields := strings.Fields(line); len(fields) > 3 && strings.HasPrefix(fields[2], "sha256:") {
			found[fields[0]] = fields[2]
		}
	}
	return found
}
