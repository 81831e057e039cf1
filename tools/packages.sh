# packages.sh - installs what a task needs; sourced by the scripts beside it.

build_packages="gcc libc6-dev meson ninja-build pkg-config python3 opencl-headers ocl-icd-opencl-dev
libclblast-dev libprotobuf-c-dev protobuf-c-compiler libpng-dev libjpeg62-turbo-dev libsqlite3-dev libxxhash-dev
libcjson-dev pocl-opencl-icd"
check_packages="check g++ libonnx-testdata mesa-opencl-icd oclgrind mandoc shellcheck"

# have_packages PACKAGE...: true when all of them are installed. A virtual package counts when something
# installed provides it.
have_packages() {
    for package in "$@"; do
        case "$(dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null)" in
        *"install ok installed"*) ;;
        *) return 1 ;;
        esac
    done
}

# need_packages PACKAGE...: installs the missing ones with apt, or says what to install and stops.
need_packages() {
    if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
        [ -n "${CONVOY_HAVE_PACKAGES:-}" ] && return
        echo "$0: this script installs packages with apt only. Install what these Debian packages contain," >&2
        echo "then run it again with CONVOY_HAVE_PACKAGES=1:" >&2
        echo "   " "$@" >&2
        exit 1
    fi
    missing=""
    for package in "$@"; do
        have_packages "$package" || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    echo "Installing:$missing"
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "$0: run this as root, or install as root:$missing" >&2
            exit 1
        fi
        sudo="sudo"
    fi
    log=$(mktemp)
    # shellcheck disable=SC2086 # a list of words
    if ! { $sudo apt-get -o DPkg::Lock::Timeout=300 update &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 \
            install -y --no-install-recommends $missing; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "$0: the packages could not be installed; the messages above say why" >&2
        exit 1
    fi
    rm -f "$log"
}
