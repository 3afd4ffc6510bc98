package lb

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// service makes one of type LoadBalancer; age orders them, the higher the older.
func service(name string, age int, change ...func(*corev1.Service)) *corev1.Service {
	s := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "demo", Name: name,
			CreationTimestamp: metav1.NewTime(time.Unix(1000, 0).Add(-time.Duration(age) * time.Second)),
		},
		Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeLoadBalancer},
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func has(ip, hostname string) func(*corev1.Service) {
	return func(s *corev1.Service) {
		s.Status.LoadBalancer.Ingress = []corev1.LoadBalancerIngress{{IP: ip, Hostname: hostname}}
	}
}

func TestAssign(t *testing.T) {
	r, err := ParseRange("10.0.0.1-10.0.0.3")
	if err != nil {
		t.Fatal(err)
	}
	class := "other"
	for name, c := range map[string]struct {
		services []*corev1.Service
		want     []string
	}{
		"the oldest gets the first": {
			[]*corev1.Service{service("b", 1), service("a", 2)},
			[]string{"a 10.0.0.1 new", "b 10.0.0.2 new"},
		},
		"an address stays, whatever comes before it": {
			[]*corev1.Service{service("a", 2), service("b", 1, has("10.0.0.1", "b.demo.sluice.test"))},
			[]string{"a 10.0.0.2 new", "b 10.0.0.1 current"},
		},
		"an address without a hostname stays and is completed": {
			[]*corev1.Service{service("a", 1, has("10.0.0.3", ""))},
			[]string{"a 10.0.0.3 new"},
		},
		"of two with one address the older keeps it": {
			[]*corev1.Service{service("a", 1, has("10.0.0.1", "")), service("b", 2, has("10.0.0.1", "b.demo.sluice.test"))},
			[]string{"a 10.0.0.2 new", "b 10.0.0.1 current"},
		},
		"an address of another range is replaced": {
			[]*corev1.Service{service("a", 1, has("192.0.2.1", "a.demo.sluice.test"))},
			[]string{"a 10.0.0.1 new"},
		},
		"who asks for an address gets it": {
			[]*corev1.Service{service("a", 1, func(s *corev1.Service) { s.Spec.LoadBalancerIP = "10.0.0.3" })},
			[]string{"a 10.0.0.3 new"},
		},
		"other types and other classes are not ours": {
			[]*corev1.Service{
				service("a", 1, func(s *corev1.Service) { s.Spec.Type = corev1.ServiceTypeClusterIP }),
				service("b", 1, func(s *corev1.Service) { s.Spec.LoadBalancerClass = &class }),
			},
			nil,
		},
		"when the range is used up the youngest waits": {
			[]*corev1.Service{service("a", 4), service("b", 3), service("c", 2), service("d", 1)},
			[]string{"a 10.0.0.1 new", "b 10.0.0.2 new", "c 10.0.0.3 new"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, a := range Assign(c.services, r) {
				state := "new"
				if a.Current {
					state = "current"
				}
				if want := a.Name + ".demo.sluice.test"; a.Hostname != want {
					t.Errorf("hostname %q, want %q", a.Hostname, want)
				}
				got = append(got, fmt.Sprintf("%s %s %s", a.Name, a.IP, state))
			}
			slices.Sort(got)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestParseRangeSaysHowToWriteOne(t *testing.T) {
	for _, bad := range []string{"", "10.0.0.1", "10.0.0.9-10.0.0.1", "a-b"} {
		if _, err := ParseRange(bad); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}
