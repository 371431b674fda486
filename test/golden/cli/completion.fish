complete -c stockade -n __fish_use_subcommand -f -a plan -d 'show whats to be done: all'
complete -c stockade -n '__fish_seen_subcommand_from plan' -l out -d 'a file'
