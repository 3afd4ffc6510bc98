package canary

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"

	appmeshv1beta2 "github.com/sluice-mesh/sluice/pkg/api/appmesh/v1beta2"
	canaryv1beta1 "github.com/sluice-mesh/sluice/pkg/api/canary/v1beta1"
)

// Session affinity keeps users on the version that they saw first, by cookies that answers set:
//
//	canary's    one value per rollout     who met the canary stays on it until the rollout is over
//	primary's   one value per step        who met the primary stays on it until the next step; else everybody would
//	                                      meet the canary sooner or later, whatever its weight
//	expired     that of the last rollout  whoever still has it loses it
//
// The values follow from the state, so that whoever goes on after a restart knows the same users.

const (
	// defaultCookieAge is how long browsers keep a cookie when the spec does not say, in seconds.
	defaultCookieAge = 86400
	// cookieValueLength is the length of a value in characters.
	cookieValueLength = 16
	// removedAge makes browsers forget a cookie.
	removedAge = -1
)

// affinity is the session affinity of the spec, nil where nothing is shared out by weight.
func (s settings) affinity() *canaryv1beta1.SessionAffinity {
	if !s.routed() || s.skipAnalysis() || s.strategy() != canaryv1beta1.StrategyWeighted {
		return nil
	}
	return s.analysis().SessionAffinity
}

// cookieName is a token of HTTP.
var cookieName = regexp.MustCompile("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$")

// cookieProblem says why users cannot be told apart as the spec asks for; empty when they can.
func (s settings) cookieProblem() string {
	a := s.affinity()
	switch {
	case a == nil:
		return ""
	case !cookieName.MatchString(a.CookieName):
		return fmt.Sprintf("analysis.sessionAffinity.cookieName %q is not the name of a cookie", a.CookieName)
	case a.PrimaryCookieName != "" && !cookieName.MatchString(a.PrimaryCookieName):
		return fmt.Sprintf("analysis.sessionAffinity.primaryCookieName %q is not the name of a cookie", a.PrimaryCookieName)
	case a.PrimaryCookieName == a.CookieName:
		return fmt.Sprintf("analysis.sessionAffinity gives both cookies the name %s; give them different ones", a.CookieName)
	}
	return ""
}

// keepCookies makes the cookies of the status those of the state: new ones with the canary's first requests, and none
// when it has no more.
func (p *pass) keepCookies() {
	if p.handsOff {
		return
	}
	st, a := p.st, p.affinity()
	if a != nil && p.weight() > 0 && st.Rollout.Strategy == canaryv1beta1.StrategyWeighted {
		st.SessionAffinityCookie = a.CookieName + "=" + p.cookieValue("")
		st.PrimarySessionAffinityCookie = ""
		if a.PrimaryCookieName != "" {
			st.PrimarySessionAffinityCookie = a.PrimaryCookieName + "=" + p.cookieValue(fmt.Sprint(st.Rollout.Step))
		}
		return
	}
	if st.SessionAffinityCookie != "" {
		st.PreviousSessionAffinityCookie = st.SessionAffinityCookie
	}
	st.SessionAffinityCookie, st.PrimarySessionAffinityCookie = "", ""
}

// cookieValue is one per rollout and part of it.
func (p *pass) cookieValue(part string) string {
	r := p.st.Rollout
	sum := sha256.Sum256(fmt.Appendln(nil, p.UID, r.Revision, r.StartedTime.Unix(), part))
	return hex.EncodeToString(sum[:])[:cookieValueLength]
}

// cookies are those that the apex router knows in this state.
func (p *pass) cookies() Cookies {
	if p.affinity() == nil {
		return Cookies{}
	}
	if p.weight() == 0 {
		return Cookies{Expired: p.st.PreviousSessionAffinityCookie}
	}
	return Cookies{Canary: p.st.SessionAffinityCookie, Primary: p.st.PrimarySessionAffinityCookie}
}

// setCookies are set by the answers to requests that no cookie decided.
func (s settings) setCookies(c Cookies) []appmeshv1beta2.HTTPRouteSetCookie {
	var out []appmeshv1beta2.HTTPRouteSetCookie
	if c.Canary != "" {
		out = append(out, s.setCookie(s.canaryService(), c.Canary, s.cookieAge()))
	}
	if c.Primary != "" {
		out = append(out, s.setCookie(s.primaryService(), c.Primary, int(s.interval().Seconds())))
	}
	return out
}

// cookieRoutes are for requests with a cookie. They come before the route of everybody, which shares requests out.
func (s settings) cookieRoutes(c Cookies) []appmeshv1beta2.Route {
	var out []appmeshv1beta2.Route
	add := func(name, cookie string, share int) *appmeshv1beta2.Route {
		if cookie == "" {
			return nil
		}
		route := s.route(s.apex()+"-cookie-"+name, share)
		priority := int64(len(out) + 1)
		route.Priority = &priority
		regex := fmt.Sprintf(`(.*;\s*)?%s(;.*)?`, regexp.QuoteMeta(cookie))
		route.HTTPRoute.Match.Headers = []appmeshv1beta2.HTTPRouteHeader{{
			Name: "cookie", Match: &appmeshv1beta2.HeaderMatchMethod{Regex: &regex},
		}}
		out = append(out, route)
		return &out[len(out)-1]
	}
	add("canary", c.Canary, fullWeight)
	add("primary", c.Primary, 0)
	if route := add(expired, c.Expired, 0); route != nil {
		route.HTTPRoute.Action.SetCookies = []appmeshv1beta2.HTTPRouteSetCookie{s.setCookie(s.primaryService(), c.Expired, removedAge)}
	}
	return out
}

// expired ends the name of the route of users who lose their cookie.
const expired = "expired"

// setCookie is a cookie with the attributes of the spec. A cookie that is to be forgotten needs them, too: browsers
// know it by name, domain and path.
func (s settings) setCookie(node, cookie string, age int) appmeshv1beta2.HTTPRouteSetCookie {
	parts := []string{cookie}
	add := func(given bool, attribute string) {
		if given {
			parts = append(parts, attribute)
		}
	}
	a := s.affinity()
	if a == nil {
		a = &canaryv1beta1.SessionAffinity{} // taken off the spec meanwhile
	}
	add(a.Domain != "", "Domain="+a.Domain)
	add(a.HTTPOnly, "HttpOnly")
	add(true, fmt.Sprintf("Max-Age=%d", age))
	add(a.Partitioned, "Partitioned")
	add(a.Path != "", "Path="+a.Path)
	add(a.SameSite != "", "SameSite="+a.SameSite)
	add(a.Secure, "Secure")
	return appmeshv1beta2.HTTPRouteSetCookie{
		VirtualNodeRef: &appmeshv1beta2.VirtualNodeReference{Name: node}, Cookie: strings.Join(parts, "; "),
	}
}

func (s settings) cookieAge() int {
	if a := s.affinity(); a != nil && a.MaxAge != nil {
		return a.MaxAge.Int()
	}
	return defaultCookieAge
}

// cookiesOf reads the cookies of an apex router.
func (s settings) cookiesOf(routes []appmeshv1beta2.Route) Cookies {
	var out Cookies
	for _, route := range routes {
		if route.HTTPRoute == nil {
			continue
		}
		for _, c := range route.HTTPRoute.Action.SetCookies {
			cookie, _, _ := strings.Cut(c.Cookie, ";")
			switch {
			case route.Name == s.apex()+"-cookie-"+expired:
				out.Expired = cookie
			case route.Name != s.apex() || c.VirtualNodeRef == nil:
			case c.VirtualNodeRef.Name == s.canaryService():
				out.Canary = cookie
			case c.VirtualNodeRef.Name == s.primaryService():
				out.Primary = cookie
			}
		}
	}
	return out
}
