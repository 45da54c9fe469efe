// SPDX-License-Identifier: Apache-2.0

package handover

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// KubeletPods is where the kubelet keeps the volumes of its pods.
const KubeletPods = "/var/lib/kubelet/pods"

// ErrStranger says that a socket is another user's than a launcher's.
var ErrStranger = errors.New("not a launcher's socket")

// Sockets is the volume with a launcher's sockets, held open. The launcher owns what is in it: nothing there is followed anywhere.
type Sockets struct{ dir *os.File }

// OpenSockets finds the volume of a pod below the kubelet's directory of pods. Returns an error wrapping fs.ErrNotExist when the
// pod has none, or is gone.
func OpenSockets(pods, podUID string) (*Sockets, error) {
	if podUID == "" || strings.ContainsAny(podUID, "/\x00") || podUID == "." || podUID == ".." {
		return nil, fmt.Errorf("open the sockets of pod %q: that is no UID", podUID)
	}
	root, err := os.OpenFile(pods, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the kubelet's directory of pods: %w", err)
	}
	defer root.Close()
	dir, err := openBeneath(root, filepath.Join(podUID, "volumes/kubernetes.io~empty-dir", SocketsVolume), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("open the sockets of pod %s: %w", podUID, err)
	}
	return &Sockets{dir}, nil
}

// Close lets go of the volume.
func (s *Sockets) Close() error { return s.dir.Close() }

// dial connects to a socket in the volume, by the very file that was looked at: a link in its place is refused, and a
// path of any length fits. Returns an error wrapping fs.ErrNotExist when nobody listens.
func (s *Sockets) dial(ctx context.Context, name, network string) (*net.UnixConn, error) {
	file, err := openBeneath(s.dir, name, unix.O_PATH)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	if info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("open %s: %w: it is a %s", name, ErrStranger, info.Mode().Type())
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if errors.Is(err, unix.ECONNREFUSED) {
		err = &os.PathError{Op: "connect", Path: name, Err: os.ErrNotExist} // bound, not listening: just before, or long after
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	uid, err := peerUID(conn.(*net.UnixConn))
	if err == nil && uid != UID {
		err = fmt.Errorf("%w: it is user %d's", ErrStranger, uid)
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	return conn.(*net.UnixConn), nil
}

// openBeneath opens what is below a directory, by way of no link and no other mount's magic.
func openBeneath(dir *os.File, path string, flags int) (*os.File, error) {
	fd, err := unix.Openat2(int(dir.Fd()), path, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}
