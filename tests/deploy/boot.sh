#!/bin/bash
# The system manager of this machine as process 1 of namespaces of its own, over a copy of the file system that is gone
# afterwards: nothing outside is touched. Run by test_deploy_boot.py, under `unshare`.
#   $1 an empty directory   $2 what the test has put together, to be laid over /   $3, $4 ... WHERE=WHAT to be mounted
set -euo pipefail
place=$1 files=$2
shift 2
mount -t tmpfs tmpfs "$place"
mkdir "$place"/{upper,work,root}
mount -t overlay overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" "$place/root"
root=$place/root
for pair in "$@"; do
    mkdir -p "$root${pair%%=*}"
    mount --bind "${pair#*=}" "$root${pair%%=*}"
done
rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/systemd/system/streamrnn*
cp -r "$files"/. "$root/"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
    IFS=: read -r name major minor <<<"$node"
    mknod -m 0666 "$root/dev/$name" c "$major" "$minor"
done
mkdir "$root"/dev/{pts,shm}
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
touch "$root/dev/console"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/before"
cd "$root"
pivot_root . before
umount -l /before
mount --make-rshared /
unset NOTIFY_SOCKET
export container=other
exec /lib/systemd/systemd --unit=streamrnn-test.target --log-level=warning
