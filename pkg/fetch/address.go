package fetch

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// special are the ranges that are not the public internet, or that reach into
// another range by translation: the IANA special-purpose address registries
// (RFC 6890), and multicast.
var special = func() []netip.Prefix {
	var out []netip.Prefix
	for _, p := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
		"192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
		"::/96", // unspecified, loopback, and IPv4-compatible
		"::ffff:0:0:0/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
		"5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
	} {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}()

// metadata are the addresses at which clouds hand out credentials. No CRL lies
// there, so that no host is allowed to be there.
var metadata = []netip.Addr{
	netip.MustParseAddr("169.254.169.254"), // EC2
	netip.MustParseAddr("169.254.170.2"),   // ECS
	netip.MustParseAddr("169.254.170.23"),  // EKS
	netip.MustParseAddr("fd00:ec2::254"),   // EC2, IPv6
	netip.MustParseAddr("fd00:ec2::23"),    // EKS, IPv6
}

// checkAddress refuses an address that is not public. allowed hosts may be at
// private, loopback and link-local addresses, and nowhere else that is special.
func checkAddress(addr netip.Addr, allowed bool) error {
	addr = addr.Unmap().WithZone("")
	if nat64.Contains(addr) {
		// A network without IPv4 reaches it so: what counts is where that leads.
		b := addr.As16()
		return checkAddress(netip.AddrFrom4([4]byte(b[12:])), allowed)
	}
	switch {
	case !addr.IsValid():
		return fmt.Errorf("it is no address")
	case slices.Contains(metadata, addr):
		return fmt.Errorf("%v hands out credentials of the machine", addr)
	case addr.IsUnspecified(), addr.IsMulticast():
		return fmt.Errorf("%v is no host's address", addr)
	case allowed && (addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || sharedSpace.Contains(addr)):
		return nil
	}
	for _, p := range special {
		if p.Contains(addr) {
			return fmt.Errorf("%v is not public (%v)", addr, p)
		}
	}
	return nil
}

// nat64 is the well-known prefix in front of IPv4 addresses (RFC 6052).
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// sharedSpace is that of carrier-grade NAT (RFC 6598), which some use as private.
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

// Resolver looks names up; *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// dialer connects to hosts, and refuses addresses that are not public. The name
// is looked up here and the connection made to the address that was checked, so
// that a second look-up cannot answer otherwise; the socket's own address is
// checked again as it is about to connect.
type dialer struct {
	resolver Resolver
	allow    []string // hosts, as in a URL
	timeout  time.Duration
	// connect makes one connection to an address; tests put theirs here.
	connect func(ctx context.Context, d *net.Dialer, network, address string) (net.Conn, error)
}

// dial is an http.Transport's DialContext.
func (d *dialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, failed(URLInvalid, "%v", err)
	}
	allowed := slices.Contains(d.allow, strings.TrimSuffix(strings.ToLower(host), "."))
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	addrs, err := d.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	var refused, broken error
	left := len(addrs)
	for _, addr := range addrs {
		if err := checkAddress(addr, allowed); err != nil {
			remedy := "if the fetcher is meant to go there, have ALLOW_HOSTS name " + host
			if checkAddress(addr, true) != nil {
				remedy = "no setting allows it: put the URL right, or see who named it"
			}
			refused = failed(AddressRefused, "%s is at an address that is refused: %v; %s", host, err, remedy)
			left--
			continue
		}
		// Each address has its share of the time, so that a dead one in front
		// does not use up that of the next.
		deadline, _ := ctx.Deadline()
		one, cancel := context.WithTimeout(ctx, time.Until(deadline)/time.Duration(left))
		conn, err := d.connect(one, &net.Dialer{ControlContext: guard(allowed)}, network, net.JoinHostPort(addr.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		broken = err
		left--
	}
	if broken != nil {
		return nil, broken
	}
	return nil, refused
}

func (d *dialer) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	addrs, err := d.resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, transient(NameNotResolved, "looking up %s: %v", host, err)
	}
	if len(addrs) == 0 {
		return nil, transient(NameNotResolved, "looking up %s: it has no address", host)
	}
	const most = 8
	return addrs[:min(len(addrs), most)], nil
}

// guard checks the address that a socket is about to connect to.
func guard(allowed bool) func(context.Context, string, string, syscall.RawConn) error {
	return func(_ context.Context, _, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err == nil {
			err = checkAddress(at.Addr(), allowed)
		}
		if err != nil {
			return failed(AddressRefused, "connecting to %s is refused: %v", address, err)
		}
		return nil
	}
}
