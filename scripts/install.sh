#!/bin/sh
# Installs, upgrades or removes shipper on Linux: install.sh --help, and docs/guides/install.md.
#
#   curl -fsSL URL/install.sh | sh
#   curl -fsSL URL/install.sh | sh -s -- --prefix "$HOME/.local"
#
# There are only functions here, and a last line that calls them, which is complete with its last character: of a
# download that was cut off nothing runs. Checksums, the binary and the configuration are checked in a work folder
# beside the binary; whatever is written after that is taken back when a later step fails or is interrupted.
# Paths have no blanks (absolute() sees to it), so lists of them are words.

# Where the releases are, filled in at release: $BASE/latest, $BASE/v$VERSION/SHA256SUMS and the files it names.
DEFAULT_BASE_URL=''
NAME=shipper

usage() {
  cat <<END
usage: install.sh [option ...]
  --from DIR    take the files of one release from DIR, without a network
  --prefix DIR  install under DIR: no root needed, no service
  --root DIR    take DIR for the root of the system
  --no-start    leave the service as it is: do not start or restart it
  --dry-run     say what would be done and change nothing
  --uninstall   stop and remove it; configuration, state and user stay
  --purge       with --uninstall: remove these too
  --help
environment
  SHIPPER_VERSION             version to install instead of the newest
  SHIPPER_BASE_URL            where to download from${DEFAULT_BASE_URL:+ instead of $DEFAULT_BASE_URL}
  FORWARD_HOST, FORWARD_PORT  where to send, for a configuration that is not there yet
END
}

main() {
  set -u
  umask 022
  unset CDPATH
  LC_ALL=C && export LC_ALL
  VERSION='' CHILD='' LOCKED='' UNDO='' MADE='' WORK='' USER_IDS='' RESTARTED='' OLD='' KEPT='' WAS_ACTIVE=no
  ROOT='' PREFIX='' FROM='' START=yes DRY=no UNINSTALL=no PURGE=no
  read_arguments "$@"
  lay_out
  trap leave EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  if [ "$UNINSTALL" = yes ]; then uninstall; else install; fi
}

read_arguments() {
  while [ $# -gt 0 ]; do
    case $1 in
      --from | --prefix | --root)
        [ $# -ge 2 ] || die "$1 needs a folder"
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
  [ "$PURGE" = no ] || [ "$UNINSTALL" = yes ] || die '--purge goes with --uninstall'
}

absolute() {
  case $2 in
    '') die "$1 needs a folder" ;;
    /*) ABSOLUTE=$2 ;;
    *) ABSOLUTE=$PWD/$2 ;;
  esac
  while [ "$ABSOLUTE" != "${ABSOLUTE%/}" ]; do ABSOLUTE=${ABSOLUTE%/}; done
  case $ABSOLUTE in
    *[[:space:]\"\'\\\$\{\}\|\&\*\?\[]*) die "the path of $1 has a blank or a special character: $ABSOLUTE" ;;
  esac
}

lay_out() {
  BIN_DIR=$ROOT$PREFIX/bin
  [ -n "$PREFIX" ] || BIN_DIR=$ROOT/usr/local/bin
  BINARY=$BIN_DIR/$NAME
  CONF_DIR=$ROOT$PREFIX/etc/$NAME
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
  may_we
  find_target
  find_tools
  if [ "$DRY" = yes ]; then
    WORK=$(mktemp -d) || die 'mktemp cannot make a folder'
  else
    lock
  fi
  find_version
  obtain SHA256SUMS
  expect "$NAME-$TARGET"
  if [ "$DRY" = yes ]; then
    plan
    return
  fi
  if [ -z "$FROM" ]; then note "downloading $NAME $VERSION for $TARGET from $WHERE"; fi
  for file in "$NAME-$TARGET" "$NAME.conf" parsers.conf $(unit_file); do take "$file"; done
  prepare_configuration
  try_binary
  if [ -x "$BINARY" ]; then OLD=$(clean "$BINARY" --version 2>/dev/null | cut -d ' ' -f 2); fi
  if [ -e "$CONF_DIR/$NAME.conf" ]; then KEPT=yes; fi
  make_user
  make_dir "$CONF_DIR"
  make_dir "$STATE_DIR"
  own "$STATE_DIR" "$USER_IDS" 750
  put_configuration "$NAME.conf"
  put_configuration parsers.conf
  put "$NAME-$TARGET" "$BINARY" 755
  start_service
  UNDO='' MADE='' RESTARTED=''
  report
}

# --- what is asked before anything is done

may_we() {
  [ "$(uname -s)" = Linux ] || die "unsupported system $(uname -s): there are binaries for Linux"
  if [ -n "$ROOT" ] && [ ! -d "$ROOT" ]; then die "there is no folder $ROOT"; fi
  if [ -z "$PREFIX$ROOT" ] && [ "$(id -u)" -ne 0 ] && [ "$DRY" = no ]; then
    die "this needs root: pipe it into sudo sh, or install for yourself with --prefix ~/.local"
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
  # The loader's file alone says little: there are packages that add the other library to a system.
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
  [ -n "$FETCH$FROM" ] || die 'neither curl nor wget is here: install one of them, or give --from DIR'
  SUM=''
  for tool in openssl shasum sha256sum; do if has "$tool"; then SUM=$tool; fi; done
  [ -n "$SUM" ] || die 'neither sha256sum, shasum nor openssl is here: install one of them'
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
    '') die 'no address to download from is known: set SHIPPER_BASE_URL, or give --from DIR' ;;
    *) die "SHIPPER_BASE_URL is not an http or https address: $base" ;;
  esac
  if [ -z "$VERSION" ]; then
    fetch "$base/latest" "$WORK/latest"
    read -r VERSION <"$WORK/latest" || [ -n "$VERSION" ] || die "$base/latest is empty"
    VERSION=${VERSION#v}
  fi
  case $VERSION in
    [0-9]*[!0-9A-Za-z.+-]* | [!0-9]*) die "this is not a version: $VERSION" ;;
  esac
  WHERE=$base/v$VERSION
}

plan() {
  say "would install $NAME${VERSION:+ $VERSION} ($TARGET) from $WHERE"
  for file in "$NAME-$TARGET" "$NAME.conf" parsers.conf $(unit_file); do
    say "would take $WHERE/$file and compare it with SHA256SUMS"
  done
  say "would write $BINARY"
  for file in "$NAME.conf" parsers.conf; do
    if [ -e "$CONF_DIR/$file" ]; then
      say "would keep $CONF_DIR/$file, with a default that differs beside it as $file.new"
    else
      say "would write $CONF_DIR/$file"
    fi
  done
  say "would keep positions in $STATE_DIR"
  if [ "$SERVICE" != none ]; then
    say "would write $UNIT"
    if [ ! -e "$UNIT" ] && [ ! -L "$ENABLED" ]; then say "would enable it by the link $ENABLED"; fi
  fi
  if [ -z "$PREFIX" ] && [ -e "$ROOT/etc/passwd" ] && ! user_line; then say "would create the user $NAME"; fi
  if [ "$RUNNING$START" = yesyes ]; then say "would start the service $NAME, and go back if it does not stay up"; fi
}

# --- files of the release

unit_file() {
  case $SERVICE in
    systemd) echo "$NAME.service" ;;
    openrc) echo "$NAME.openrc" ;;
  esac
}

take() {
  expect "$1"
  obtain "$1"
  [ "$(sum_of "$WORK/$1")" = "$EXPECTED" ] ||
    die "$WHERE/$1 is damaged: it has not the checksum of SHA256SUMS; nothing was changed"
}

expect() {
  EXPECTED=''
  while read -r sum file; do
    file=${file#\*}
    if [ "${file#./}" = "$1" ]; then EXPECTED=$sum; fi
  done <"$WORK/SHA256SUMS"
  [ ${#EXPECTED} -eq 64 ] || die "SHA256SUMS of $WHERE has no $1: there is nothing for this system in it"
}

obtain() {
  if [ -z "$FROM" ]; then
    fetch "$WHERE/$1" "$WORK/$1"
  else
    why=$(cp "$FROM/$1" "$WORK/$1" 2>&1) || die "cannot copy $FROM/$1: $why"
  fi
}

sum_of() {
  case $SUM in
    sha256sum) sha256sum "$1" ;;
    shasum) shasum -a 256 "$1" ;;
    openssl) openssl dgst -sha256 -r "$1" ;;
  esac | cut -d ' ' -f 1
}

# In the background, because a shell looks at signals only between commands, and in `wait`.
fetch() {
  if [ "$FETCH" = curl ]; then
    case $1 in https:*) only='=https' ;; *) only='=http,https' ;; esac
    curl -fsSL --proto "$only" --connect-timeout 20 --speed-limit 1000 --speed-time 30 -o "$2" "$1" >/dev/null 2>"$WORK/said" &
  else
    # A busybox that was built without -T crashes on it.
    case $(wget --help 2>&1) in
      *GNU*) quiet='-nv -t 2 -T 30' ;;
      *'-T SEC'*) quiet='-q -T 30' ;;
      *) quiet='-q' ;;
    esac
    # shellcheck disable=SC2086 # words
    wget $quiet -O "$2" "$1" >/dev/null 2>"$WORK/said" &
  fi
  CHILD=$!
  wait "$CHILD"
  status=$?
  CHILD=''
  [ $status -eq 0 ] || die "cannot download $1: $(tail -n 1 "$WORK/said")"
}

# --- checks of the new binary, still in the work folder

# As it comes; only the places are filled in, so that it also works when it is run by hand.
prepare_configuration() {
  host=${FORWARD_HOST:-127.0.0.1}
  port=${FORWARD_PORT:-24224}
  case $host$port in *[!0-9A-Za-z.:_-]*) die "FORWARD_HOST or FORWARD_PORT is not an address: $host $port" ;; esac
  state=${STATE_DIR#"$ROOT"}
  # shellcheck disable=SC2016 # the dollar signs are those of the configuration
  sed -e 's|\${SHIPPER_STATE:-\.}|${SHIPPER_STATE:-'"$state"'}|' \
    -e 's|\${FORWARD_HOST:-127\.0\.0\.1}|${FORWARD_HOST:-'"$host"'}|' \
    -e 's|\${FORWARD_PORT:-24224}|${FORWARD_PORT:-'"$port"'}|' \
    "$WORK/$NAME.conf" >"$WORK/filled" || die "cannot write to $WORK"
  mv "$WORK/filled" "$WORK/$NAME.conf"
}

try_binary() {
  new=$WORK/$NAME-$TARGET
  chmod 755 "$new"
  # A shell takes an executable of another processor for a script and would run it line by line.
  if [ "$(bytes "$new" 0 4)" = 7f454c46 ] && [ "$(bytes "$new" 18 1)" != $elf_machine ]; then
    die "$WHERE/$NAME-$TARGET is for another processor than $(uname -m); nothing was changed"
  fi
  said=$(clean "$new" --version 2>&1)
  status=$?
  if [ $status -ne 0 ]; then
    case $TARGET$status in
      *musl*) hint=', which may need apk add libstdc++ libgcc' ;;
      *132) hint=', its processor may be too old (x86-64 needs AVX2)' ;;
      *) hint='' ;;
    esac
    die "the binary does not run on this system$hint: $(printf '%s' "$said" | head -n 1) (status $status)"
  fi
  new_version=${said#"$NAME "}
  new_version=${new_version%% *}
  if [ -n "$VERSION" ] && [ "$VERSION" != "$new_version" ]; then
    die "$WHERE/$NAME-$TARGET says that it is $new_version; nothing was changed"
  fi
  VERSION=$new_version
  conf=$CONF_DIR/$NAME.conf
  [ -e "$conf" ] || conf=$WORK/$NAME.conf
  said=$(clean "$new" -c "$conf" -D 2>&1) ||
    die "$NAME $VERSION does not take $conf; nothing was changed: $(printf '%s' "$said" | head -n 1)"
}

bytes() {
  od -An -tx1 -j "$2" -N "$3" "$1" 2>/dev/null | tr -d ' \n'
}

# With the environment of the service, and none of what the runtime inside would obey.
clean() (
  unset BUN_BE_BUN BUN_OPTIONS BUN_INSPECT BUN_INSPECT_PRELOAD BUN_INSPECT_CONNECT_TO BUN_INSPECT_NOTIFY NODE_OPTIONS
  SHIPPER_STATE=$STATE_DIR && export SHIPPER_STATE
  if [ -r "$CONF_DIR/$NAME.env" ]; then
    while IFS= read -r line || [ -n "$line" ]; do
      case ${line%%=*} in
        "$line" | '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;;
      esac
      value=${line#*=}
      case $value in \"*\" | \'*\') value=${value#?} value=${value%?} ;; esac
      export "${line%%=*}=$value"
    done <"$CONF_DIR/$NAME.env"
  fi
  if has timeout; then exec timeout 30 "$@"; fi
  exec "$@"
)

# --- one at a time

# The lock is a symbolic link to "PID:START TIME": it exists with its content or not at all. A stale one is replaced by
# a rename; of several that do so at once the last one has it, which each sees after a second.
lock() {
  LOCK=$BIN_DIR/.$NAME.lock
  make_dir "$BIN_DIR"
  [ -w "$BIN_DIR" ] || die "cannot write to $BIN_DIR"
  mine=$$:$(started $$)
  if ! ln -s "$mine" "$LOCK" 2>/dev/null; then
    owner=$(readlink "$LOCK") || die "cannot write to $BIN_DIR"
    pid=${owner%%:*}
    [ "$owner" != "$pid:$(started "$pid")" ] || die "another installation is running (process $pid)"
    ln -s "$mine" "$LOCK.$$" && mv -f "$LOCK.$$" "$LOCK" && sleep 1
    [ "$(readlink "$LOCK")" = "$mine" ] || die 'another installation is running'
  fi
  LOCKED=yes
  WORK=$BIN_DIR/.$NAME.install
  rm -rf "$WORK"
  why=$(mkdir -m 700 "$WORK" 2>&1) || die "cannot write to $BIN_DIR: $why"
}

# A process id alone is used again some day; with the time of its start it is not.
started() {
  if [ -r "/proc/$1/stat" ]; then sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 20; fi
}

# --- changes; each leaves in UNDO, and a new folder in MADE, what takes it back, the latest first

make_dir() {
  [ ! -d "$1" ] || return 0
  [ -z "${1%/*}" ] || make_dir "${1%/*}"
  why=$(mkdir "$1" 2>&1) || die "cannot make the folder $1: $why"
  MADE="$1 $MADE"
}

own() {
  if [ -n "$2" ] && [ "$(id -u)" -eq 0 ]; then chown "$2" "$1" || die "cannot give $1 to $2"; fi
  chmod "$3" "$1" || die "cannot change the mode of $1"
}

# put FILE_OF_WORK PATH MODE [OWNER]: never half there, and the old one is kept beside it until the end.
put() {
  make_dir "${2%/*}"
  draft=${2%/*}/.${2##*/}.new-$NAME
  kept=${2%/*}/.${2##*/}.old-$NAME
  if [ "${2%/*}" = "$BIN_DIR" ]; then how='mv'; else how='cp'; fi
  if ! why=$($how "$WORK/$1" "$draft" 2>&1); then
    rm -f "$draft"
    die "cannot write $2: $why"
  fi
  own "$draft" "${4:-}" "$3"
  if [ -e "$2" ]; then
    ln -f "$2" "$kept" 2>/dev/null || cp -p "$2" "$kept" || die "cannot keep a copy of $2"
    UNDO="restore:$2 $UNDO"
  else
    UNDO="remove:$2 $UNDO"
  fi
  mv -f "$draft" "$2" || die "cannot write $2"
}

put_configuration() {
  group=${USER_IDS#*:}
  if [ ! -e "$CONF_DIR/$1" ]; then
    put "$1" "$CONF_DIR/$1" 640 "${group:+0:$group}"
  elif cmp -s "$WORK/$1" "$CONF_DIR/$1"; then
    rm -f "$CONF_DIR/$1.new"
  else
    put "$1" "$CONF_DIR/$1.new" 640 "${group:+0:$group}"
  fi
}

# Sets USER_IDS; empty where nobody can be given anything.
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
    user_line || die "there is no user $NAME"
  fi
}

user_line() {
  line=$(grep "^$NAME:" "$ROOT/etc/passwd") || line=$([ -z "$ROOT" ] && getent passwd "$NAME") || return 1
  USER_IDS=$(printf '%s' "$line" | cut -d : -f 3,4)
}

delete_user() {
  if has userdel; then
    userdel ${ROOT:+--prefix "$ROOT"} "$NAME"
    # userdel takes the group along only where login.defs says so.
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
      restore:*) mv -f "${path%/*}/.${path##*/}.old-$NAME" "$path" || note "cannot put back $path" ;;
      user:*) delete_user ;;
    esac
  done
  [ -z "$RESTARTED" ] || reload_units
  if [ "$RESTARTED$WAS_ACTIVE" = yesyes ]; then
    { service restart && stays_up; } || note "the old version does not start either, see: $(log_command)"
  fi
}

# At the end, good or bad. A run that was killed leaves drafts behind: their names are always the same.
# shellcheck disable=SC2317 # called by a trap
leave() {
  status=$?
  # Not ignored ('') but caught: what is ignored here would be ignored by a service that is started here, for ever.
  trap : HUP INT TERM
  trap - EXIT
  [ -z "$CHILD" ] || kill "$CHILD" 2>/dev/null
  [ "$status" -eq 0 ] || undo
  if [ -n "$LOCKED" ]; then
    sweep
    rm -f "$LOCK"
  elif [ -n "$WORK" ]; then
    rm -rf "$WORK"
  fi
  for path in $MADE; do rmdir "$path" 2>/dev/null; done
  [ "$status" -le 128 ] || note 'install.sh: interrupted, everything is as it was'
  exit "$status"
}

# shellcheck disable=SC2317
sweep() {
  rm -rf "$WORK"
  for path in "$BINARY" $UNIT "$CONF_DIR/$NAME.conf" "$CONF_DIR/parsers.conf" \
    "$CONF_DIR/$NAME.conf.new" "$CONF_DIR/parsers.conf.new"; do
    rm -f "${path%/*}/.${path##*/}.new-$NAME" "${path%/*}/.${path##*/}.old-$NAME"
  done
}

# --- the service

start_service() {
  [ "$SERVICE" != none ] || return 0
  if [ "$RUNNING" = yes ] && service is-active; then WAS_ACTIVE=yes; fi
  fresh=no
  [ -e "$UNIT" ] || fresh=yes
  if [ $SERVICE = systemd ]; then mode=644; else mode=755; fi
  put "$(unit_file)" "$UNIT" $mode
  # As `systemctl enable` and `rc-update add` do it, also where they cannot run. An upgrade leaves this as it is.
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
  { service restart && stays_up; } || die "$NAME $VERSION does not stay up, everything is put back: $(log_command)"
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

# Up at three looks in a row, a second apart, within fifteen: one that ends and is started again is not.
stays_up() {
  looks=0 up=0
  while [ $looks -lt 15 ] && [ $up -lt 3 ]; do
    sleep 1
    looks=$((looks + 1))
    if service is-active; then up=$((up + 1)); else up=0; fi
  done
  [ $up -ge 3 ]
}

log_command() {
  if [ $SERVICE = systemd ]; then echo "journalctl -u $NAME -n 50"; else echo "tail /var/log/$NAME.log"; fi
}

report() {
  if [ "$RUNNING$START" = yesyes ]; then state="runs as the service $NAME"; else state='is not started'; fi
  say "$NAME $VERSION ($TARGET) ${OLD:+takes the place of $OLD, }is installed as $BINARY and $state."
  conf=$CONF_DIR/$NAME.conf
  if [ -n "$KEPT" ] && [ -n "${FORWARD_HOST:-}" ]; then note "FORWARD_HOST is not used: there is a $conf already"; fi
  if [ -e "$conf.new" ]; then
    say "Your configuration $conf is kept; the default of this version is beside it as $NAME.conf.new."
  elif [ -n "$KEPT" ]; then
    say "Your configuration $conf is kept."
  elif [ -n "${FORWARD_HOST:-}" ]; then
    say "It sends to $FORWARD_HOST, port ${FORWARD_PORT:-24224}, as $conf says; check changes with: $BINARY -c $conf -D"
  else
    say "Say in $conf where to send (Host and Port of [OUTPUT]), and check it: $BINARY -c $conf -D"
  fi
  say "It keeps its positions in $STATE_DIR."
  case $SERVICE in
    systemd) say "Then: systemctl restart $NAME; its log: journalctl -u $NAME" ;;
    openrc) say "Then: rc-service $NAME restart; its log: /var/log/$NAME.log" ;;
    none) say "Start it with: $BINARY -c $conf" ;;
  esac
  say "Remove it with this script and ${ROOT:+--root $ROOT }${PREFIX:+--prefix $PREFIX }--uninstall, which keeps configuration and positions."
}

# --- removal

uninstall() {
  if [ -z "$PREFIX$ROOT" ] && [ "$(id -u)" -ne 0 ] && [ "$DRY" = no ]; then die 'this needs root'; fi
  gone=''
  if [ "$DRY" = no ] && [ -d "$BIN_DIR" ]; then lock; fi
  if [ -n "$UNIT" ] && [ -e "$UNIT" ]; then
    if [ "$DRY" = yes ]; then
      say "would stop the service $NAME"
    elif [ "$RUNNING" = yes ]; then
      service stop
      if service is-active; then die "the service $NAME does not stop"; fi
    fi
    clear_away "$ENABLED" "$UNIT"
    if [ "$DRY" = no ]; then reload_units; fi
  fi
  clear_away "$BINARY"
  if [ "$PURGE" = yes ]; then
    clear_away "$CONF_DIR" "$STATE_DIR"
    if [ -z "$PREFIX" ]; then
      clear_away "$ROOT/etc/systemd/system/$NAME.service.d" "$ROOT/var/log/$NAME.log"
    else
      for path in "" /var /var/lib /etc /bin; do MADE="$ROOT$PREFIX$path $MADE"; done
    fi
    # There may be a person of this name.
    if [ -z "$PREFIX" ] && grep -q "^$NAME:.*:/var/lib/$NAME:" "$ROOT/etc/passwd" 2>/dev/null; then
      if [ "$DRY" = yes ]; then say "would delete the user $NAME"; else delete_user; fi
    fi
  fi
  if [ "$DRY" = yes ]; then MADE=''; fi
  if [ -z "$gone" ]; then
    say "$NAME is not installed in $BIN_DIR."
  elif [ "$DRY" = yes ]; then
    return
  elif [ "$PURGE" = yes ]; then
    say "$NAME is removed, with its configuration and state."
  else
    say "$NAME is removed; $CONF_DIR and $STATE_DIR are kept (--purge removes them)."
  fi
}

clear_away() {
  for path in "$@"; do
    if [ -e "$path" ] || [ -L "$path" ]; then
      gone=yes
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
