#!/bin/busybox sh
# First process of the guest: drivers, then the host's root, read-only, under a throw-away layer.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
fail() {
    echo "init: $1"
    $B poweroff -f
}
while read -r module; do
    $B insmod "/lib/modules/$module" || fail "insmod $module"
done < /modules
wire=trans=virtio,version=9p2000.L,msize=512000
$B mkdir -p /host /layer /mnt
$B mount -t 9p -o ro,cache=loose,$wire host /host || fail "the host's root"
$B mount -t tmpfs tmpfs /layer
$B mkdir -p /layer/upper /layer/work
$B mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /mnt || fail overlay
$B mount -t proc proc /mnt/proc
$B mount -t sysfs sys /mnt/sys
$B mount --move /dev /mnt/dev
$B ln -s /proc/self/fd /mnt/dev/fd
$B mkdir -p /mnt/dev/pts /mnt/dev/shm
$B mount -t devpts devpts /mnt/dev/pts
for folder in dev/shm run; do
    $B mkdir -p "/mnt/$folder"
    $B mount -t tmpfs tmpfs "/mnt/$folder"
done
$B mkdir -p /mnt/run/netns /mnt/run/tmp
$B mount -t bpf bpf /mnt/sys/fs/bpf
$B mount -t cgroup2 cgroup2 /mnt/sys/fs/cgroup
$B mkdir -p /mnt/run/guest
$B mount -t 9p -o rw,cache=none,$wire out /mnt/run/guest || fail "the folder for results"
exec $B chroot /mnt /bin/sh /run/guest/boot
