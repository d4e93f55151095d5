#!/bin/sh
# Installs, upgrades or removes shipper on Linux; see install.sh --help and docs/guides/install.md.
#
#   curl -fsSL URL/install.sh | sh
#   curl -fsSL URL/install.sh | sh -s -- --prefix "$HOME/.local"
#
# The script consists of functions and a last line that calls them. That line is valid only when it is complete, so a
# truncated download runs nothing. Checksums, the binary and the configuration are checked in a work directory next to
# the binary; everything written after that is rolled back if a later step fails or is interrupted. Paths contain no
# spaces (absolute() rejects them), so that lists of paths can be split into words.

# Address of the releases, filled in when a release is made: $BASE/latest, $BASE/v$VERSION/SHA256SUMS and the files it
# lists.
DEFAULT_BASE_URL=''
NAME=shipper

usage() {
  cat <<END
usage: install.sh [option ...]
  --from DIR    install from the release files in DIR, without network access
  --prefix DIR  install under DIR: needs no root, installs no service
  --root DIR    use DIR as the root of the system
  --no-start    do not start or restart the service
  --dry-run     print what would be done and change nothing
  --uninstall   stop and remove shipper; configuration, state and user are kept
  --purge       with --uninstall: remove these too
  --help
environment
  SHIPPER_VERSION             version to install (default: the newest)
  SHIPPER_PUBLIC_KEY          key of SSH or minisign that must have signed the checksums; the key itself, or a file with it
  SHIPPER_BASE_URL            where to download from${DEFAULT_BASE_URL:+ (default: $DEFAULT_BASE_URL)}
  FORWARD_HOST, FORWARD_PORT  where to send logs; used only for a new configuration
END
}

main() {
  set -u
  umask 022
  unset CDPATH
  LC_ALL=C && export LC_ALL
  VERSION='' CHILD='' LOCKED='' UNDO='' CREATED_DIRS='' WORK='' USER_IDS='' RESTARTED='' OLD='' CONF_EXISTED='' WAS_ACTIVE=no
  ROOT='' PREFIX='' FROM='' START=yes DRY=no UNINSTALL=no PURGE=no
  read_arguments "$@"
  set_paths
  trap clean_up EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ "$UNINSTALL" = yes ]; then uninstall; else install; fi
}

read_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --prefix | --root)
        [ $# -ge 2 ] || die "$1 needs a directory"
        absolute "$1" "$2"
        case $1 in
          --from) FROM=$ABSOLUTE ;;
          --prefix) PREFIX=$ABSOLUTE ;;
          --root) ROOT=$ABSOLUTE ;;
        esac
        shift
        ;;
      --no-start) START=no ;;
      --dry-run) DRY=yes ;;
      --uninstall) UNINSTALL=yes ;;
      --purge) PURGE=yes ;;
      --help | -h) usage && exit 0 ;;
      *) die "unknown option $1, see --help" ;;
    esac
    shift
  done
  [ "$PURGE" = no ] || [ "$UNINSTALL" = yes ] || die '--purge requires --uninstall'
}

absolute() {
  case $2 in
    '') die "$1 needs a directory" ;;
    /*) ABSOLUTE=$2 ;;
    *) ABSOLUTE=$PWD/$2 ;;
  esac
  while [ "$ABSOLUTE" != "${ABSOLUTE%/}" ]; do ABSOLUTE=${ABSOLUTE%/}; done
  case $ABSOLUTE in
    *[[:space:]\"\'\\\$\{\}\|\&\*\?\[]*) die "the path of $1 contains a space or a special character: $ABSOLUTE" ;;
  esac
}

set_paths() {
  BIN_DIR=$ROOT$PREFIX/bin
  [ -n "$PREFIX" ] || BIN_DIR=$ROOT/usr/local/bin
  BINARY=$BIN_DIR/$NAME
  CONF_DIR=$ROOT$PREFIX/etc/$NAME
  DROP_INS=$CONF_DIR/drop-ins
  STATE_DIR=$ROOT$PREFIX/var/lib/$NAME
  SERVICE=none RUNNING=no UNIT='' ENABLED=''
  [ -z "$PREFIX" ] || return 0
  if [ -d "$ROOT/run/systemd/system" ] || [ -x "$ROOT/lib/systemd/systemd" ]; then
    SERVICE=systemd
    UNIT=$ROOT/etc/systemd/system/$NAME.service
    ENABLED=$ROOT/etc/systemd/system/multi-user.target.wants/$NAME.service
    [ ! -d "$ROOT/run/systemd/system" ] || RUNNING=yes
  elif [ -x "$ROOT/sbin/openrc-run" ] || [ -x "$ROOT/usr/sbin/openrc-run" ]; then
    SERVICE=openrc
    UNIT=$ROOT/etc/init.d/$NAME
    ENABLED=$ROOT/etc/runlevels/default/$NAME
    [ ! -d "$ROOT/run/openrc" ] || RUNNING=yes
  fi
}

install() {
  check_permission
  find_target
  find_tools
  if [ "$DRY" = yes ]; then
    WORK=$(mktemp -d) || die 'mktemp cannot create a directory'
  else
    lock
  fi
  find_version
  get_file SHA256SUMS
  verify_signature
  read_expected_sum "$NAME-$TARGET"
  if [ "$DRY" = yes ]; then
    print_plan
    return
  fi
  if [ -z "$FROM" ]; then note "downloading $NAME $VERSION for $TARGET from $WHERE"; fi
  for file in "$NAME-$TARGET" "$NAME.conf" parsers.conf $(unit_file) $(drop_ins); do get_verified "$file"; done
  prepare_configuration
  check_binary
  if [ -x "$BINARY" ]; then OLD=$(with_service_environment "$BINARY" --version 2>/dev/null | cut -d ' ' -f 2); fi
  if [ -e "$CONF_DIR/$NAME.conf" ]; then CONF_EXISTED=yes; fi
  make_user
  make_dir "$CONF_DIR"
  make_dir "$STATE_DIR"
  set_owner "$STATE_DIR" "$USER_IDS" 750
  install_configuration "$NAME.conf"
  install_configuration parsers.conf
  for file in $(drop_ins); do install_file "$file" "$DROP_INS/${file#drop-in-}" 644; done
  install_file "$NAME-$TARGET" "$BINARY" 755
  start_service
  UNDO='' CREATED_DIRS='' RESTARTED=''
  report
}

# --- checks before anything is changed

check_permission() {
  [ "$(uname -s)" = Linux ] || die "unsupported system $(uname -s): there are binaries for Linux"
  if [ -n "$ROOT" ] && [ ! -d "$ROOT" ]; then die "$ROOT is not a directory"; fi
  if [ -z "$PREFIX$ROOT" ] && [ "$(id -u)" -ne 0 ] && [ "$DRY" = no ]; then
    die "this needs root: pipe it into sudo sh, or install without root with --prefix ~/.local"
  fi
  if [ -z "$PREFIX" ] && [ -e "$ROOT/var/lib/dpkg/info/$NAME.list" ]; then
    die "$NAME is installed as a Debian package: upgrade or remove it with apt"
  fi
}

find_target() {
  case $(uname -m) in
    x86_64 | amd64) cpu=x64 elf_machine=3e ;;
    aarch64 | arm64) cpu=arm64 elf_machine=b7 ;;
    *) die "unsupported processor $(uname -m): there are binaries for x86_64 and aarch64" ;;
  esac
  # The file of the loader is not enough: packages exist that add the other C library to a system.
  if getconf GNU_LIBC_VERSION >/dev/null 2>&1; then
    TARGET=linux-$cpu
  elif ldd --version 2>&1 | grep -qi musl || ls /lib/ld-musl-* >/dev/null 2>&1; then
    TARGET=linux-$cpu-musl
  else
    TARGET=linux-$cpu
  fi
}

find_tools() {
  FETCH=''
  for tool in wget curl; do if has "$tool"; then FETCH=$tool; fi; done
  [ -n "$FETCH$FROM" ] || die 'neither curl nor wget found: install one of them, or use --from DIR'
  SUM=''
  for tool in openssl shasum sha256sum; do if has "$tool"; then SUM=$tool; fi; done
  [ -n "$SUM" ] || die 'none of sha256sum, shasum and openssl found: install one of them'
}

find_version() {
  VERSION=${SHIPPER_VERSION:-}
  VERSION=${VERSION#v}
  if [ -n "$FROM" ]; then
    [ -f "$FROM/SHA256SUMS" ] || die "there is no SHA256SUMS in $FROM"
    WHERE=$FROM
    return
  fi
  base=${SHIPPER_BASE_URL:-$DEFAULT_BASE_URL}
  base=${base%/}
  case $base in
    http://* | https://*) ;;
    '') die 'no download address: set SHIPPER_BASE_URL, or use --from DIR' ;;
    *) die "SHIPPER_BASE_URL is not an http or https address: $base" ;;
  esac
  if [ -z "$VERSION" ]; then
    fetch "$base/latest" "$WORK/latest"
    read -r VERSION <"$WORK/latest" || [ -n "$VERSION" ] || die "$base/latest is empty"
    VERSION=${VERSION#v}
  fi
  case $VERSION in
    [0-9]*[!0-9A-Za-z.+-]* | [!0-9]*) die "not a valid version: $VERSION" ;;
  esac
  WHERE=$base/v$VERSION
}

print_plan() {
  say "would install $NAME${VERSION:+ $VERSION} ($TARGET) from $WHERE"
  for file in "$NAME-$TARGET" "$NAME.conf" parsers.conf $(unit_file) $(drop_ins); do
    say "would get $WHERE/$file and verify it against SHA256SUMS"
  done
  say "would write $BINARY"
  for file in "$NAME.conf" parsers.conf; do
    if [ -e "$CONF_DIR/$file" ]; then
      say "would keep $CONF_DIR/$file; if the new default differs, it goes to $CONF_DIR/$file.new"
    else
      say "would write $CONF_DIR/$file"
    fi
  done
  say "would keep positions in $STATE_DIR"
  if [ "$SERVICE" != none ]; then
    say "would write $UNIT"
    for file in $(drop_ins); do say "would write $DROP_INS/${file#drop-in-}"; done
    if [ ! -e "$UNIT" ] && [ ! -L "$ENABLED" ]; then say "would enable the service with the link $ENABLED"; fi
  fi
  if [ -z "$PREFIX" ] && [ -e "$ROOT/etc/passwd" ] && ! user_line; then say "would create the user $NAME"; fi
  if [ "$RUNNING$START" = yesyes ]; then say "would start the service $NAME, and roll back if it does not stay up"; fi
}

# --- files of the release

unit_file() {
  case $SERVICE in
    systemd) echo "$NAME.service" ;;
    openrc) echo "$NAME.openrc" ;;
  esac
}

# Prints the release's drop-ins for the unit of systemd, which are not in use until somebody copies them; an older release has none.
drop_ins() {
  [ "$SERVICE" = systemd ] || return 0
  sed -n 's|^[0-9a-f]* [ *]\(drop-in-[a-z-]*\.conf\)$|\1|p' "$WORK/SHA256SUMS"
}

# With SHIPPER_PUBLIC_KEY the checksums must be signed by that key: over a connection that others control, or from a server
# that others have changed, checksums alone prove nothing.
verify_signature() {
  key=${SHIPPER_PUBLIC_KEY:-}
  [ -n "$key" ] || return 0
  if [ -r "$key" ]; then key=$(grep -v '^untrusted comment:' "$key" | head -n 1); fi
  NEEDED=', which SHIPPER_PUBLIC_KEY requires'
  [ -z "$FROM" ] || NEEDED="$NEEDED (an unpacked archive has none: verify the archive, then leave the key out)"
  case $key in
    ssh-* | ecdsa-* | sk-*)
      has ssh-keygen || die 'SHIPPER_PUBLIC_KEY is a key of SSH, and ssh-keygen is not installed'
      get_file SHA256SUMS.sig
      printf '%s %s\n' "$NAME" "$key" >"$WORK/signers"
      ssh-keygen -Y verify -f "$WORK/signers" -I "$NAME" -n file -s "$WORK/SHA256SUMS.sig" \
        <"$WORK/SHA256SUMS" >"$WORK/output" 2>&1
      ;;
    RW*)
      has minisign || die 'SHIPPER_PUBLIC_KEY is a key of minisign, and minisign is not installed'
      get_file SHA256SUMS.minisig
      minisign -V -P "$key" -m "$WORK/SHA256SUMS" -x "$WORK/SHA256SUMS.minisig" >"$WORK/output" 2>&1
      ;;
    *) die 'SHIPPER_PUBLIC_KEY is neither a public key of SSH or minisign nor a file with one' ;;
  esac || die "SHA256SUMS of $WHERE is not signed by SHIPPER_PUBLIC_KEY; nothing was changed: $(tail -n 1 "$WORK/output")"
  NEEDED=''
}

get_verified() {
  read_expected_sum "$1"
  get_file "$1"
  [ "$(sum_of "$WORK/$1")" = "$EXPECTED" ] ||
    die "$WHERE/$1 is damaged: its checksum differs from SHA256SUMS; nothing was changed"
}

read_expected_sum() {
  EXPECTED=''
  while read -r sum file; do
    file=${file#\*}
    if [ "${file#./}" = "$1" ]; then EXPECTED=$sum; fi
  done <"$WORK/SHA256SUMS"
  [ ${#EXPECTED} -eq 64 ] || die "SHA256SUMS of $WHERE has no $1: the release does not support this system"
}

get_file() {
  if [ -z "$FROM" ]; then
    fetch "$WHERE/$1" "$WORK/$1"
  else
    why=$(cp "$FROM/$1" "$WORK/$1" 2>&1) || die "cannot copy $FROM/$1${NEEDED:-}: $why"
  fi
}

sum_of() {
  case $SUM in
    sha256sum) sha256sum "$1" ;;
    shasum) shasum -a 256 "$1" ;;
    openssl) openssl dgst -sha256 -r "$1" ;;
  esac | cut -d ' ' -f 1
}

# Downloads in the background, because a shell handles signals only between commands and in `wait`.
fetch() {
  if [ "$FETCH" = curl ]; then
    case $1 in https:*) only='=https' ;; *) only='=http,https' ;; esac
    curl -fsSL --proto "$only" --connect-timeout 20 --speed-limit 1000 --speed-time 30 -o "$2" "$1" >/dev/null 2>"$WORK/output" &
  else
    # A busybox built without -T crashes if it gets that option.
    case $(wget --help 2>&1) in
      *GNU*) quiet='-nv -t 2 -T 30' ;;
      *'-T SEC'*) quiet='-q -T 30' ;;
      *) quiet='-q' ;;
    esac
    # shellcheck disable=SC2086 # $quiet is a list of words
    wget $quiet -O "$2" "$1" >/dev/null 2>"$WORK/output" &
  fi
  CHILD=$!
  wait "$CHILD"
  status=$?
  CHILD=''
  [ $status -eq 0 ] || die "cannot download $1${NEEDED:-}: $(tail -n 1 "$WORK/output")"
}

# --- checks of the new binary, in the work directory

# Sets state directory and receiver in the new configuration, so that it also works when started by hand.
prepare_configuration() {
  host=${FORWARD_HOST:-127.0.0.1}
  port=${FORWARD_PORT:-24224}
  case $host$port in *[!0-9A-Za-z.:_-]*) die "FORWARD_HOST or FORWARD_PORT is not valid: $host $port" ;; esac
  state=${STATE_DIR#"$ROOT"}
  # shellcheck disable=SC2016 # the dollar signs belong to the configuration
  sed -e 's|\${SHIPPER_STATE:-\.}|${SHIPPER_STATE:-'"$state"'}|' \
    -e 's|\${FORWARD_HOST:-127\.0\.0\.1}|${FORWARD_HOST:-'"$host"'}|' \
    -e 's|\${FORWARD_PORT:-24224}|${FORWARD_PORT:-'"$port"'}|' \
    "$WORK/$NAME.conf" >"$WORK/filled" || die "cannot write to $WORK"
  mv "$WORK/filled" "$WORK/$NAME.conf"
}

check_binary() {
  new=$WORK/$NAME-$TARGET
  chmod 755 "$new"
  # A shell would take an executable for another processor as a script and run it line by line.
  if [ "$(hex_bytes "$new" 0 4)" = 7f454c46 ] && [ "$(hex_bytes "$new" 18 1)" != $elf_machine ]; then
    die "$WHERE/$NAME-$TARGET is for another processor than $(uname -m); nothing was changed"
  fi
  output=$(with_service_environment "$new" --version 2>&1)
  status=$?
  if [ $status -ne 0 ]; then
    case $TARGET$status in
      *musl*) hint=' (possibly missing: apk add libstdc++ libgcc)' ;;
      *132) hint=' (the processor may be too old: x86-64 needs AVX2)' ;;
      *) hint='' ;;
    esac
    die "the binary does not run on this system$hint: $(printf '%s' "$output" | head -n 1) (status $status)"
  fi
  new_version=${output#"$NAME "}
  new_version=${new_version%% *}
  if [ -n "$VERSION" ] && [ "$VERSION" != "$new_version" ]; then
    die "$WHERE/$NAME-$TARGET reports version $new_version instead of $VERSION; nothing was changed"
  fi
  VERSION=$new_version
  conf=$CONF_DIR/$NAME.conf
  [ -e "$conf" ] || conf=$WORK/$NAME.conf
  output=$(with_service_environment "$new" -c "$conf" -D 2>&1) ||
    die "$NAME $VERSION does not accept $conf; nothing was changed: $(printf '%s' "$output" | grep -v '(warning)$' | head -n 1)"
}

hex_bytes() {
  od -An -tx1 -j "$2" -N "$3" "$1" 2>/dev/null | tr -d ' \n'
}

# Runs a command with the environment of the service, but without what makes a program load or run something else: this
# runs as root, and shipper.env may belong to whoever maintains the service.
with_service_environment() (
  SHIPPER_STATE=$STATE_DIR && export SHIPPER_STATE
  if [ -r "$CONF_DIR/$NAME.env" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      case ${line%%=*} in
        "$line" | '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;;
        LD_* | GLIBC_* | GCONV_PATH | LOCPATH | NLSPATH | MALLOC_* | PATH | HOME | IFS | ENV | BASH_* | SHELLOPTS | PS4) continue ;;
        TMPDIR | BUN_* | NODE_* | SSL_* | OPENSSL_* | DYLD_* | JSC_*) continue ;;
      esac
      value=${line#*=}
      case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
      export "${line%%=*}=$value"
    done <"$CONF_DIR/$NAME.env"
  fi
  # The runtime in the binary obeys these, wherever they come from.
  unset BUN_BE_BUN BUN_OPTIONS BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO BUN_INSPECT_NOTIFY NODE_OPTIONS
  if has timeout; then exec timeout 30 "$@"; fi
  exec "$@"
)

# --- lock

# The lock is a symbolic link to "PID:START TIME", so it is created together with its content. A stale lock is replaced
# by a rename. If several runs do that at the same time, the last one owns the lock; each checks after a second.
lock() {
  LOCK=$BIN_DIR/.$NAME.lock
  make_dir "$BIN_DIR"
  [ -w "$BIN_DIR" ] || die "cannot write to $BIN_DIR"
  own_lock=$$:$(start_time $$)
  if ! ln -s "$own_lock" "$LOCK" 2>/dev/null; then
    owner=$(readlink "$LOCK") || die "cannot write to $BIN_DIR"
    pid=${owner%%:*}
    [ "$owner" != "$pid:$(start_time "$pid")" ] || die "another installation is running (process $pid)"
    ln -s "$own_lock" "$LOCK.$$" && mv -f "$LOCK.$$" "$LOCK" && sleep 1
    [ "$(readlink "$LOCK")" = "$own_lock" ] || die 'another installation is running'
  fi
  LOCKED=yes
  WORK=$BIN_DIR/.$NAME.install
  rm -rf "$WORK"
  why=$(mkdir -m 700 "$WORK" 2>&1) || die "cannot write to $BIN_DIR: $why"
}

# Prints the start time of a process: process ids are reused, a process id with a start time is not.
start_time() {
  if [ -r "/proc/$1/stat" ]; then sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; fi
}

# --- changes; each prepends to UNDO how to revert it; new directories are prepended to CREATED_DIRS

make_dir() {
  [ ! -d "$1" ] || return 0
  [ -z "${1%/*}" ] || make_dir "${1%/*}"
  why=$(mkdir "$1" 2>&1) || die "cannot create the directory $1: $why"
  CREATED_DIRS="$1 $CREATED_DIRS"
}

set_owner() {
  if [ -n "$2" ] && [ "$(id -u)" -eq 0 ]; then chown "$2" "$1" || die "cannot change the owner of $1 to $2"; fi
  chmod "$3" "$1" || die "cannot change the mode of $1"
}

# install_file WORK_FILE PATH MODE [OWNER] replaces PATH atomically and keeps the old file next to it until the end.
install_file() {
  make_dir "${2%/*}"
  draft=${2%/*}/.${2##*/}.new-$NAME
  backup=${2%/*}/.${2##*/}.old-$NAME
  if [ "${2%/*}" = "$BIN_DIR" ]; then transfer='mv -f'; else transfer='copy_to_new'; fi
  if ! why=$($transfer "$WORK/$1" "$draft" 2>&1); then
    rm -f "$draft"
    die "cannot write $2: $why"
  fi
  set_owner "$draft" "${4:-}" "$3"
  if [ -e "$2" ]; then
    rm -f "$backup"
    ln "$2" "$backup" 2>/dev/null || cp -p "$2" "$backup" || die "cannot back up $2"
    UNDO="restore:$2 $UNDO"
  else
    UNDO="remove:$2 $UNDO"
  fi
  mv -f "$draft" "$2" || die "cannot write $2"
}

# Copies to a file that does not exist: a link that somebody prepared under the name of a draft is not followed.
# shellcheck disable=SC2317 # called as $transfer
copy_to_new() {
  rm -f "$2"
  (
    set -C
    cat "$1" >"$2"
  )
}

install_configuration() {
  group=${USER_IDS#*:}
  if [ ! -e "$CONF_DIR/$1" ]; then
    install_file "$1" "$CONF_DIR/$1" 640 "${group:+0:$group}"
  elif cmp -s "$WORK/$1" "$CONF_DIR/$1"; then
    rm -f "$CONF_DIR/$1.new"
  else
    install_file "$1" "$CONF_DIR/$1.new" 640 "${group:+0:$group}"
  fi
}

# Creates the user if it does not exist and sets USER_IDS; leaves it empty where ownership cannot be changed.
make_user() {
  if [ -n "$PREFIX" ] || [ ! -e "$ROOT/etc/passwd" ]; then return 0; fi
  if ! user_line; then
    home=/var/lib/$NAME
    if has useradd; then
      group=--user-group
      if grep -q "^$NAME:" "$ROOT/etc/group"; then group="--gid=$NAME"; fi
      why=$(useradd ${ROOT:+--prefix "$ROOT"} --system $group --no-create-home --home-dir "$home" \
        --shell /usr/sbin/nologin --comment "$NAME" "$NAME" 2>&1)
    else
      why=$({ addgroup -S "$NAME" && adduser -S -D -H -h "$home" -s /sbin/nologin -G "$NAME" "$NAME"; } 2>&1)
    fi || die "cannot create the user $NAME: $why"
    UNDO="user:$NAME $UNDO"
    user_line || die "the user $NAME does not exist after it was created"
  fi
}

user_line() {
  line=$(grep "^$NAME:" "$ROOT/etc/passwd") || line=$([ -z "$ROOT" ] && getent passwd "$NAME") || return 1
  USER_IDS=$(printf '%s' "$line" | cut -d : -f 3,4)
}

delete_user() {
  if has userdel; then
    userdel ${ROOT:+--prefix "$ROOT"} "$NAME"
    # userdel deletes the group only if login.defs says so.
    if grep -q "^$NAME:" "$ROOT/etc/group"; then groupdel ${ROOT:+--prefix "$ROOT"} "$NAME"; fi
  else
    deluser "$NAME"
  fi >/dev/null 2>&1
}

# shellcheck disable=SC2317
undo() {
  if [ "$RESTARTED$WAS_ACTIVE" = yesno ]; then service stop; fi
  for entry in $UNDO; do
    path=${entry#*:}
    case $entry in
      remove:*) rm -f "$path" ;;
      restore:*) mv -f "${path%/*}/.${path##*/}.old-$NAME" "$path" || note "cannot restore $path" ;;
      user:*) delete_user ;;
    esac
  done
  [ -z "$RESTARTED" ] || reload_units
  if [ "$RESTARTED$WAS_ACTIVE" = yesyes ]; then
    { service restart && stays_up; } || note "the old version does not start either, see: $(log_command)"
  fi
}

# Cleans up at exit, after success or failure. The names of drafts and backups are fixed, so that a run also removes
# those of a killed one.
# shellcheck disable=SC2317 # called by a trap
clean_up() {
  status=$?
  # Catch signals instead of ignoring them (''): a service started here would inherit ignored signals.
  trap : HUP INT TERM
  trap - EXIT
  [ -z "$CHILD" ] || kill "$CHILD" 2>/dev/null
  [ "$status" -eq 0 ] || undo
  if [ -n "$LOCKED" ]; then
    remove_temporary_files
    rm -f "$LOCK"
  elif [ -n "$WORK" ]; then
    rm -rf "$WORK"
  fi
  for path in $CREATED_DIRS; do rmdir "$path" 2>/dev/null; done
  [ "$status" -le 128 ] || note 'install.sh: interrupted, everything was rolled back'
  exit "$status"
}

# shellcheck disable=SC2317
remove_temporary_files() {
  rm -rf "$WORK"
  for path in "$BINARY" $UNIT "$CONF_DIR/$NAME.conf" "$CONF_DIR/parsers.conf" \
    "$CONF_DIR/$NAME.conf.new" "$CONF_DIR/parsers.conf.new"; do
    rm -f "${path%/*}/.${path##*/}.new-$NAME" "${path%/*}/.${path##*/}.old-$NAME"
  done
  rm -f "$DROP_INS"/.*.new-"$NAME" "$DROP_INS"/.*.old-"$NAME"
}

# --- the service

start_service() {
  [ "$SERVICE" != none ] || return 0
  if [ "$RUNNING" = yes ] && service is-active; then WAS_ACTIVE=yes; fi
  fresh=no
  [ -e "$UNIT" ] || fresh=yes
  if [ $SERVICE = systemd ]; then mode=644; else mode=755; fi
  install_file "$(unit_file)" "$UNIT" $mode
  # Does what `systemctl enable` and `rc-update add` do, also where they cannot run. An upgrade does not change it.
  if [ $fresh = yes ] && [ ! -L "$ENABLED" ]; then
    make_dir "${ENABLED%/*}"
    ln -s "${UNIT#"$ROOT"}" "$ENABLED" || die "cannot write $ENABLED"
    UNDO="remove:$ENABLED $UNDO"
  fi
  [ "$RUNNING" = yes ] || return 0
  if [ "$START" = no ]; then
    reload_units
    return 0
  fi
  RESTARTED=yes
  reload_units
  { service restart && stays_up; } || die "$NAME $VERSION does not stay up, everything was rolled back; see: $(log_command)"
}

service() {
  case $SERVICE$1 in
    systemdis-active) systemctl is-active --quiet "$NAME" ;;
    openrcis-active) rc-service "$NAME" status ;;
    systemd*) systemctl "$1" "$NAME" ;;
    openrc*) rc-service "$NAME" "$1" ;;
  esac </dev/null >/dev/null 2>&1
}

reload_units() {
  if [ "$SERVICE$RUNNING" = systemdyes ]; then systemctl daemon-reload </dev/null; fi
}

# True if three of at most fifteen checks, one second apart, in a row find the service running: a service that keeps
# restarting fails.
stays_up() {
  checks=0 up=0
  while [ $checks -lt 15 ] && [ $up -lt 3 ]; do
    sleep 1
    checks=$((checks + 1))
    if service is-active; then up=$((up + 1)); else up=0; fi
  done
  [ $up -ge 3 ]
}

log_command() {
  if [ $SERVICE = systemd ]; then echo "journalctl -u $NAME -n 50"; else echo "tail /var/log/$NAME.log"; fi
}

report() {
  if [ "$RUNNING$START" = yesyes ]; then state="runs as the service $NAME"; else state='is not started'; fi
  say "$NAME $VERSION ($TARGET) ${OLD:+replaces $OLD, }is installed as $BINARY and $state."
  conf=$CONF_DIR/$NAME.conf
  if [ -n "$CONF_EXISTED" ] && [ -n "${FORWARD_HOST:-}" ]; then note "FORWARD_HOST is not used: $conf already exists"; fi
  if [ -e "$conf.new" ]; then
    say "Your configuration $conf is kept; the default of this version is in $conf.new."
  elif [ -n "$CONF_EXISTED" ]; then
    say "Your configuration $conf is kept."
  elif [ -n "${FORWARD_HOST:-}" ]; then
    say "It sends to $FORWARD_HOST, port ${FORWARD_PORT:-24224}, see $conf; check changes with: $BINARY -c $conf -D"
  else
    say "Set the receiver in $conf (Host and Port of [OUTPUT]) and check it: $BINARY -c $conf -D"
  fi
  say "Positions are stored in $STATE_DIR."
  case $SERVICE in
    systemd) say "Apply changes with: systemctl restart $NAME; read the log with: journalctl -u $NAME" ;;
    openrc) say "Apply changes with: rc-service $NAME restart; the log is /var/log/$NAME.log" ;;
    none) say "Start it with: $BINARY -c $conf" ;;
  esac
  say "Remove it with this script and ${ROOT:+--root $ROOT }${PREFIX:+--prefix $PREFIX }--uninstall, which keeps configuration and positions."
}

# --- removal

uninstall() {
  if [ -z "$PREFIX$ROOT" ] && [ "$(id -u)" -ne 0 ] && [ "$DRY" = no ]; then die 'this needs root'; fi
  found=''
  if [ "$DRY" = no ] && [ -d "$BIN_DIR" ]; then lock; fi
  if [ -n "$UNIT" ] && [ -e "$UNIT" ]; then
    if [ "$DRY" = yes ]; then
      say "would stop the service $NAME"
    elif [ "$RUNNING" = yes ]; then
      service stop
      if service is-active; then die "the service $NAME does not stop"; fi
    fi
    remove_paths "$ENABLED" "$UNIT"
    if [ "$DRY" = no ]; then reload_units; fi
  fi
  remove_paths "$BINARY" "$DROP_INS"
  if [ "$PURGE" = yes ]; then
    remove_paths "$CONF_DIR" "$STATE_DIR"
    if [ -z "$PREFIX" ]; then
      remove_paths "$ROOT/etc/systemd/system/$NAME.service.d" "$ROOT/var/log/$NAME.log"
    else
      for path in "" /var /var/lib /etc /bin; do CREATED_DIRS="$ROOT$PREFIX$path $CREATED_DIRS"; done
    fi
    # Only the service user: a person may have the same name.
    if [ -z "$PREFIX" ] && grep -q "^$NAME:.*:/var/lib/$NAME:" "$ROOT/etc/passwd" 2>/dev/null; then
      if [ "$DRY" = yes ]; then say "would delete the user $NAME"; else delete_user; fi
    fi
  fi
  if [ "$DRY" = yes ]; then CREATED_DIRS=''; fi
  if [ -z "$found" ]; then
    say "$NAME is not installed in $BIN_DIR."
  elif [ "$DRY" = yes ]; then
    return
  elif [ "$PURGE" = yes ]; then
    say "$NAME is removed, including configuration and state."
  else
    say "$NAME is removed; $CONF_DIR and $STATE_DIR are kept (--purge removes them)."
  fi
}

remove_paths() {
  for path in "$@"; do
    if [ -e "$path" ] || [ -L "$path" ]; then
      found=yes
      if [ "$DRY" = yes ]; then say "would remove $path"; else rm -rf "$path" || die "cannot remove $path"; fi
    fi
  done
}

has() {
  command -v "$1" >/dev/null 2>&1
}

say() {
  printf '%s\n' "$*"
}

note() {
  printf '%s\n' "$*" >&2
}

die() {
  note "install.sh: $*"
  exit 1
}

{ main "$@"; exit; }
