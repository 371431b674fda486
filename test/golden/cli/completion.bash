_stockade() {
  local word=${COMP_WORDS[COMP_CWORD]} words=
  case ${COMP_WORDS[1]} in
    plan) words='--out --help' ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words='plan --help --version'; fi
  case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "$words" -- "$word")); else COMPREPLY=($(compgen -f -- "$word")); fi ;;
  esac
}
complete -o filenames -F _stockade stockade
