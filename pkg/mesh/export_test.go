package mesh

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// AllOf gives the objects that ObjectsOf holds.
func AllOf(o Objects) map[ObjectRef]metav1.Object { return o.(*objects).byRef }
