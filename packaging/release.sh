#!/usr/bin/env bash
# Makes dist/dealtrail-VERSION-linux-amd64.tar.gz and dist/dealtrail_VERSION_amd64.deb of what is built. The same files and the same
# SOURCE_DATE_EPOCH give the same bytes.
#   packaging/release.sh VERSION PROGRAM LIBRARY BUNDLE OUT
# BUNDLE is what cmd/audit writes: sbom.cdx.json and licences/.
set -euo pipefail
version=$1 program=$2 library=$3 bundle=$4 out=$5
here=$(cd "$(dirname "$0")/.." && pwd)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)}
command -v dpkg-deb >/dev/null || { echo 'dpkg-deb is missing; install the package dpkg' >&2; exit 1; }
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# papers DIR puts there what a reader and a lawyer want.
papers() {
	install -D -m 0644 -t "$1" "$here/LICENSE" "$here/README.md" "$bundle/sbom.cdx.json"
	cp -r "$bundle/licences" "$here/docs" "$1/"
}

name=dealtrail-$version-linux-amd64
install -D -m 0755 "$program" "$work/$name/bin/dealtrail"
install -D -m 0644 "$library" "$work/$name/lib/libchdb.so" # where the program looks first
install -D -m 0644 "$here/packaging/dealtrail.service" "$work/$name/dealtrail.service"
papers "$work/$name"
chmod -R u=rwX,go=rX "$work/$name"
tar -C "$work" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -n -6 > "$out/$name.tar.gz"

deb=$work/deb
install -D -m 0755 "$program" "$deb/usr/bin/dealtrail"
install -D -m 0644 "$library" "$deb/usr/lib/dealtrail/libchdb.so"
install -D -m 0644 "$here/packaging/dealtrail.service" "$deb/lib/systemd/system/dealtrail.service"
papers "$deb/usr/share/doc/dealtrail"
mv "$deb/usr/share/doc/dealtrail/LICENSE" "$deb/usr/share/doc/dealtrail/copyright"
chmod -R u=rwX,go=rX "$deb"
# A version of Debian begins with a digit; one that is only a commit comes before all others, and after those of before.
number=${version#v}
case $number in [0-9]*.*) ;; *) number=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d.%H%M%S)+$number ;; esac
number=${number//-/+}
mkdir "$deb/DEBIAN"
sed -e "s/@VERSION@/$number/" -e "s/@SIZE@/$(du -sk --exclude=DEBIAN "$deb" | cut -f1)/" "$here/packaging/control" > "$deb/DEBIAN/control"
install -m 0755 -t "$deb/DEBIAN" "$here/packaging/postinst" "$here/packaging/prerm" "$here/packaging/postrm"
dpkg-deb --root-owner-group -Zzstd -z6 --build "$deb" "$out/dealtrail_${number}_amd64.deb" >/dev/null
(cd "$out" && sha256sum "$name.tar.gz" "dealtrail_${number}_amd64.deb" > SHA256SUMS && cat SHA256SUMS)
