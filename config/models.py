"""No tables: that this module exists makes Django send `post_migrate` for the room."""
