/**
 * Where recordings are kept, a file a session: below the data folder, or the one that
 * servers share.
 */

export const RECORDING_SUFFIX = ".rec";

export const recordingsFolder = (data: string): string => `${data}/recordings`;

export const recordingPath = (data: string, session_id: string): string =>
  `${recordingsFolder(data)}/${session_id}${RECORDING_SUFFIX}`;

/** A header of HTTP: when a recording began, UTC; a cast has it to the second alone. */
export const RECORDING_BEGAN = "recording-began";
