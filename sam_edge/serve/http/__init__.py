"""HTTP routes of the server: the page, single images, the model's files, the API description."""
