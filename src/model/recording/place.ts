/** Where recordings are kept: below the data folder, a file a session. */

export const RECORDING_SUFFIX = ".rec";

export const recordingsFolder = (data: string): string => `${data}/recordings`;

export const recordingPath = (data: string, session_id: string): string =>
  `${recordingsFolder(data)}/${session_id}${RECORDING_SUFFIX}`;

/** A header of HTTP: when a recording began, UTC; a cast has it to the second alone. */
export const RECORDING_BEGAN = "recording-began";
