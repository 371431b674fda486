/** Messages of SSH's connection protocol: RFC 4254, section 9. */
export const message = {
  open: 90,
  confirmation: 91,
  openFailure: 92,
  windowAdjust: 93,
  data: 94,
  extendedData: 95,
  endOfFile: 96,
  close: 97,
  request: 98,
  success: 99,
  failure: 100,
} as const;

/** As much as a host may send on a channel before we have read some of it. Unit: bytes. */
export const windowBytes = 2 * 1024 * 1024;
/** The longest piece of data in one message, either way. Unit: bytes. */
export const packetBytes = 32 * 1024;
