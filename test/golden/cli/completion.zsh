#compdef stockade
_stockade() {
  local -a found
  if (( CURRENT == 2 )); then
    found=('plan:show whats to be done  all')
    _describe command found
    return
  fi
  case $words[2] in
    plan) found=('--out:a file') ;;
  esac
  if [[ $words[CURRENT] == -* ]]; then _describe option found; else _files; fi
}
compdef _stockade stockade
