/** The rule every name of ours keeps: it is a path component, a systemd instance name and a Terraform id at once. */
export const nameRule =
  'lower-case letters, digits and hyphens; starts with a letter or digit; at most 63 characters';
export const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
