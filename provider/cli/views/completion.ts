export const shells = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof shells)[number];

export interface CompletedCommand {
  readonly name: string;
  readonly description: string;
  readonly options: readonly { readonly name: string; readonly description: string }[];
}

/** A script for one shell that completes commands and options; file names are left to the shell. */
export function completionScript(shell: Shell, commands: readonly CompletedCommand[]): string {
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      return zsh(commands);
    case 'fish':
      return fish(commands);
  }
}

function names(all: readonly { readonly name: string }[]): string {
  return all.map(({ name }) => name).join(' ');
}

/** Inside single quotes of any of these shells. */
function quotedText(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '')}'`;
}

function bash(commands: readonly CompletedCommand[]): string {
  return `_stockade() {
  local word=\${COMP_WORDS[COMP_CWORD]} words=
  case \${COMP_WORDS[1]} in
${commands.map(({ name, options }) => `    ${name}) words='${names(options)} --help' ;;`).join('\n')}
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then words='${names(commands)} --help --version'; fi
  case $word in
    -*) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
    *) if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "$words" -- "$word")); else COMPREPLY=($(compgen -f -- "$word")); fi ;;
  esac
}
complete -o filenames -F _stockade stockade
`;
}

function zsh(commands: readonly CompletedCommand[]): string {
  const described = (all: readonly { readonly name: string; readonly description: string }[]) =>
    all.map(({ name, description }) => quotedText(`${name}:${description.replaceAll(':', ' ')}`)).join(' ');
  return `#compdef stockade
_stockade() {
  local -a found
  if (( CURRENT == 2 )); then
    found=(${described(commands)})
    _describe command found
    return
  fi
  case $words[2] in
${commands.map(({ name, options }) => `    ${name}) found=(${described(options)}) ;;`).join('\n')}
  esac
  if [[ $words[CURRENT] == -* ]]; then _describe option found; else _files; fi
}
compdef _stockade stockade
`;
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ name, description, options }) => [
    `complete -c stockade -n __fish_use_subcommand -f -a ${name} -d ${quotedText(description)}`,
    ...options.map(
      (option) =>
        `complete -c stockade -n '__fish_seen_subcommand_from ${name}' -l ${option.name.slice(2)} -d ${quotedText(option.description)}`,
    ),
  ]);
  return `${lines.join('\n')}\n`;
}
