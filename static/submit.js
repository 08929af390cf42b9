// The page that carries an answer back to an app (response_mode=form_post) goes on by itself.
"use strict";
document.querySelector("form")?.submit();
