import type { ShellText } from '../model/shell.ts';
import { sh } from '../model/shell.ts';

/**
 * Uploads follow the script on stdin, in the order in which their operations run. Every byte of each is consumed, whatever
 * becomes of its operation, so that the next one is found where it begins.
 */
export const uploadPrelude: ShellText = sh`# --- uploads
# stockade_take BYTES: so many bytes of the upload stream; a sender that stalls is not waited for for ever
stockade_take() {
  timeout "$((60 + $1 / 65536))" head -c "$1" <&8 7>&- 9>&-
}

# stockade_discard FROM TO: uploads nobody asked for
stockade_discard() {
  stockade_upload_number=$1
  while [ "$stockade_upload_number" -lt "$2" ]; do
    stockade_upload "$stockade_upload_number"
    stockade_take "$stockade_bytes" >/dev/null
    stockade_upload_number=$((stockade_upload_number + 1))
  done
}

# receive INDEX DIRECTORY NAME [MODE]: the step's upload, checked, put in its place as a whole. MODE is 0600 unless given
receive() {
  [ "$1" -lt "$stockade_count" ] || fail upload-unknown "this step has no upload $1"
  case $3 in '' | . | .. | */*) fail upload-name "not a file name: $3" ;; esac
  if [ ! -d "$2" ] || [ -L "$2" ] || [ ! -O "$2" ]; then fail upload-directory "$2 is not a directory of root's"; fi
  stockade_wanted=$((stockade_first + $1))
  read -r stockade_next <"$stockade_work/next"
  [ "$stockade_wanted" -ge "$stockade_next" ] || fail upload-order "upload $1 went by already"
  stockade_discard "$stockade_next" "$stockade_wanted"
  echo "$((stockade_wanted + 1))" >"$stockade_work/next"
  for stockade_stale in "$2"/.incoming.*; do [ ! -e "$stockade_stale" ] || rm -f -- "$stockade_stale"; done
  stockade_upload "$stockade_wanted"
  stockade_incoming=$2/.incoming.$stockade_nonce
  stockade_why=$stockade_work/$stockade_step.why
  stockade_take "$stockade_bytes" | {
    { cat >"$stockade_incoming"; } 2>"$stockade_why" || echo 'could not be written' >>"$stockade_why"
    cat >/dev/null
  }
  stockade_check_incoming "$2"
  chmod "\${4:-0600}" "$stockade_incoming"
  mv -fT -- "$stockade_incoming" "$2/$3"
}

stockade_check_incoming() {
  if [ -s "$stockade_why" ]; then
    IFS= read -r stockade_reason <"$stockade_why"
    rm -f -- "$stockade_incoming"
    case $stockade_reason in
      *'No space left'* | *uota*) fail no-space "$stockade_bytes bytes do not fit: $(df -P -- "$1")" ;;
      *) fail upload-failed "$stockade_reason" ;;
    esac
  fi
  stockade_size=$(stat -c %s -- "$stockade_incoming")
  if [ "$stockade_size" != "$stockade_bytes" ]; then
    rm -f -- "$stockade_incoming"
    fail upload-incomplete "$stockade_size of $stockade_bytes bytes came"
  fi
  stockade_sum=$(sha256sum <"$stockade_incoming")
  if [ "\${stockade_sum%% *}" != "$stockade_sha256" ]; then
    rm -f -- "$stockade_incoming"
    fail upload-corrupt "sha256 \${stockade_sum%% *}, expected $stockade_sha256"
  fi
}`;
