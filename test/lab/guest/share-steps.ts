/** What the share guest does on each share, by task: see `share/main.pl`. The first and last are the guest's own. */
const around = (steps: readonly string[]): readonly string[] => ['mount', ...steps, 'unmount'];

export const roundtripSteps = around([
  ...[
    'create',
    'write',
    'read',
    'append',
    'fsync',
    'rename',
    'rename-over',
    'unlink',
    'unlink-open',
    'mkdir',
  ],
  ...['rename-directory', 'rmdir', 'symlink', 'readlink', 'hard-link'],
  ...['chmod', 'chmod-setuid', 'chown', 'chown-symlink', 'utimes'],
  ...['xattr-set', 'xattr-get', 'xattr-list', 'xattr-remove'],
  ...['fifo', 'socket', 'char-device', 'block-device', 'truncate-down', 'truncate-up', 'sparse'],
  ...[
    'name-255-bytes',
    'name-256-bytes',
    'name-backslash',
    'name-controls',
    'name-dash',
    'name-invalid-utf8',
  ],
  ...['name-newline', 'name-quotes', 'name-spaces', 'name-utf8'],
  ...['many-files', 'big-file', 'two-processes', 'after-remount', 'cleanup'],
]);

/** The task `roundtrip` on a share that the host gives read-only. */
export const readOnlySteps = around([
  ...['read', 'readdir', 'readlink'],
  ...['no-create', 'no-write', 'no-read-write', 'no-append', 'no-open-truncate', 'no-truncate'],
  ...['no-rename', 'no-rename-over', 'no-unlink', 'no-mkdir', 'no-rmdir', 'no-symlink', 'no-hard-link'],
  ...['no-chmod', 'no-chown', 'no-chown-symlink', 'no-utimes', 'no-xattr-set'],
  ...['no-fifo', 'no-socket', 'no-char-device', 'unchanged'],
]);

/** Without `escape-race-host`, which is there with `host_race=1`. */
export const escapeSteps = around([
  ...[
    'escape-symlink',
    'escape-symlink-attributes',
    'escape-symlink-planted',
    'escape-dotdot',
    'escape-hard-link',
  ],
  ...['escape-device-nodes', 'escape-bind-mount', 'escape-attach-name', 'escape-handles'],
  ...['escape-race-symlink', 'escape-race-parent'],
]);
