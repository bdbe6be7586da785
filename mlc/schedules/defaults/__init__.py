"""Default schedules: chosen by the structure of a kernel, never by the names of its operators."""
